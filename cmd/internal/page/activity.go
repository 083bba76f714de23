package page

import (
	"fmt"

	"st/cmd/internal/chart"
	"st/cmd/internal/terminal"
	"st/runtime/activity"
)

// usesSection shows which experts tokens chose.
func usesSection(r *activity.Report) Section {
	s := Section{Title: "Experts at work", Table: &Table{Heads: []Head{{Name: "layer", Right: true}, {Name: "expert", Right: true},
		{Name: "uses", Right: true}, {Name: "of tokens", Right: true}, {Name: "mean weight", Right: true}, {Name: "neurons active", Right: true},
		{Name: "goes with", Right: true}, {Name: "lift", Right: true}}}}
	last := r.Layers[len(r.Layers)-1].Layer
	layers := make([][]activity.ExpertReport, last+1) // none in layers without experts
	values := make([][]float64, last+1)
	high := 0.0
	for _, l := range r.Layers {
		layers[l.Layer] = l.Experts
		for _, x := range l.Experts {
			values[l.Layer] = append(values[l.Layer], x.Frequency)
			high = max(high, x.Frequency)
			pair := x.Partner >= 0
			s.Table.Rows = append(s.Table.Rows, []Cell{number(l.Layer), number(x.Expert), number(int(x.Uses)), percentCell(x.Frequency),
				decimal(x.MeanWeight), activeCell(x.Density), orDash(pair, number(x.Partner)), orDash(pair, decimal(x.Lift))})
		}
	}
	all := r.Shape.Layers * r.Shape.Experts
	s.Text = fmt.Sprintf("On %s of %s: how many of the tokens chose each expert, layer by expert, from none (pale) to %s. "+
		"%d of %s have half of all uses, %d have 80 %%, %d have 95 %%.", terminal.Plural(r.Tokens, "token"), r.Text, terminal.Percent(high),
		r.HotSet.Uses50, terminal.Plural(all, "expert"), r.HotSet.Uses80, r.HotSet.Uses95)
	s.Picture = chart.Heatmap(values, 0, high, func(l, x int) string {
		e := &layers[l][x]
		text := fmt.Sprintf("layer %d, expert %d: %.2f %% of tokens, mean weight %.3f", l, x, 100*e.Frequency, e.MeanWeight)
		if e.Density != nil {
			text += fmt.Sprintf(", %s of its neurons active", terminal.Percent(*e.Density))
		}
		return text
	}, "how often experts are chosen, layer by expert")
	return s
}

// choiceSection shows how predictable the choice of experts is and, if the activation leaves neurons inactive, how sparse experts are.
func choiceSection(r *activity.Report) Section {
	s := Section{Title: "Choice of experts", Text: "Entropy is that of the uses of a layer's experts; even use would give the number beside it.",
		Table: &Table{Heads: []Head{{Name: "layer", Right: true}, {Name: "entropy, bits", Right: true}, {Name: "at most", Right: true},
			{Name: "kept from the token before", Right: true}, {Name: "by chance", Right: true}, {Name: "experts for 80 %", Right: true}}}}
	if r.Density != nil {
		s.Title = "Sparsity"
		s.Text = "The share of a chosen expert's neurons that ReLU leaves active, by layer: boxes from quartile to quartile over tokens and " +
			"their experts, lines from the least to the most, a dash at 95 %. " + s.Text
		s.Table.Heads = append(s.Table.Heads, Head{Name: "active: mean", Right: true}, Head{Name: "median", Right: true}, Head{Name: "95 %", Right: true})
	}
	var boxes []chart.Box
	for i := range r.Layers {
		x := &r.Layers[i]
		row := []Cell{number(x.Layer), decimal(x.Entropy), decimal(x.MaxEntropy), percentCell(x.Locality), percentCell(x.LocalityByChance), number(x.HotSet.Uses80)}
		if d := x.Density; d != nil {
			boxes = append(boxes, chart.Box{Tick: fmt.Sprint(x.Layer), Name: fmt.Sprintf("layer %d", x.Layer), Min: d.Min, Q1: d.Q25, Median: d.Median,
				Q3: d.Q75, P95: d.Q95, Max: d.Max})
			row = append(row, percentCell(d.Mean), percentCell(d.Median), percentCell(d.Q95))
		}
		s.Table.Rows = append(s.Table.Rows, row)
	}
	if boxes != nil {
		s.Picture = chart.Boxes(boxes, "share of active neurons by layer")
	}
	return s
}

func percentCell(v float64) Cell { return Cell{Text: terminal.Percent(v), Sort: v} }

// activeCell is a density, or a dash if the activation is dense.
func activeCell(density *float64) Cell {
	if density == nil {
		return orDash(false, Cell{})
	}
	return percentCell(*density)
}
