package main

import (
	"fmt"

	"st/cmd/st/chart"
	"st/cmd/st/page"
	"st/runtime/activity"
)

// usesSection shows which experts tokens chose.
func usesSection(r *activity.Report) page.Section {
	s := page.Section{Title: "Experts at work", Table: &page.Table{Heads: []page.Head{{Name: "layer", Right: true}, {Name: "expert", Right: true},
		{Name: "uses", Right: true}, {Name: "of tokens", Right: true}, {Name: "mean weight", Right: true}, {Name: "neurons active", Right: true},
		{Name: "goes with", Right: true}, {Name: "lift", Right: true}}}}
	values := make([][]float64, len(r.Layers))
	high := 0.0
	for l := range r.Layers {
		for _, x := range r.Layers[l].Experts {
			values[l] = append(values[l], x.Frequency)
			high = max(high, x.Frequency)
			pair := x.Partner >= 0
			s.Table.Rows = append(s.Table.Rows, []page.Cell{number(l), number(x.Expert), number(int(x.Uses)), percentCell(x.Frequency),
				decimal(x.MeanWeight), percentCell(x.Density), orDash(pair, number(x.Partner)), orDash(pair, decimal(x.Lift))})
		}
	}
	all := r.Shape.Layers * r.Shape.Experts
	s.Text = fmt.Sprintf("On %s of %s: how many of the tokens chose each expert, layer by expert, from none (pale) to %.1f %%. "+
		"%d of %s have half of all uses, %d have 80 %%, %d have 95 %%.", plural(int(r.Tokens), "token"), r.Text, 100*high,
		r.HotSet.Uses50, plural(all, "expert"), r.HotSet.Uses80, r.HotSet.Uses95)
	s.Picture = chart.Heatmap(values, 0, high, func(l, x int) string {
		e := &r.Layers[l].Experts[x]
		return fmt.Sprintf("layer %d, expert %d: %.2f %% of tokens, mean weight %.3f, %.1f %% of its neurons active", l, x,
			100*e.Frequency, e.MeanWeight, 100*e.Density)
	}, "how often experts are chosen, layer by expert")
	return s
}

// densitySection shows how sparse the experts are, and how predictable their choice is.
func densitySection(r *activity.Report) page.Section {
	s := page.Section{Title: "Sparsity", Text: "The share of a chosen expert's neurons that ReLU leaves active, by layer: boxes from quartile to quartile over tokens and " +
		"their experts, lines from the least to the most, a dash at 95 %.",
		Table: &page.Table{Heads: []page.Head{{Name: "layer", Right: true}, {Name: "mean", Right: true}, {Name: "median", Right: true}, {Name: "95 %", Right: true},
			{Name: "entropy, bits", Right: true}, {Name: "at most", Right: true}, {Name: "kept from the token before", Right: true},
			{Name: "by chance", Right: true}, {Name: "experts for 80 %", Right: true}}}}
	var boxes []chart.Box
	for l := range r.Layers {
		x := &r.Layers[l]
		d := &x.Density
		boxes = append(boxes, chart.Box{Name: fmt.Sprintf("layer %d", l), Min: d.Min, Q1: d.Q25, Median: d.Median, Q3: d.Q75, P95: d.Q95, Max: d.Max})
		s.Table.Rows = append(s.Table.Rows, []page.Cell{number(l), percentCell(d.Mean), percentCell(d.Median), percentCell(d.Q95), decimal(x.Entropy),
			decimal(x.MaxEntropy), percentCell(x.Locality), percentCell(x.LocalityByChance), number(x.HotSet.Uses80)})
	}
	s.Picture = chart.Boxes(boxes, "share of active neurons by layer")
	return s
}

func percentCell(v float64) page.Cell { return page.Cell{Text: fmt.Sprintf("%.1f %%", 100*v), Sort: v} }
