package main

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"

	"st/runtime/activity"
)

// activityView prints what experts do, for a person.
type activityView struct {
	w      io.Writer
	screen screen
	heat   heatStrip
}

func inPercent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

// points writes a difference of percentages. Adding 0 makes 0 of −0.
func points(share float64) string { return fmt.Sprintf("%+.1f", math.Round(1000*share)/10+0) }

// shownPairs is the number of pairs in a layer's row.
const shownPairs = 3

// report prints a row for every layer.
func (v activityView) report(r *activity.Report) {
	d := &r.Density
	facts(v.w, v.screen, append(v.source(r), [][2]string{
		{"hot set", hotSet(&r.HotSet, r.Shape.Layers*r.Shape.Experts)},
		{"neurons", fmt.Sprintf("%s of those of chosen experts are active (quartiles %s, %s, %s)", inPercent(d.Mean), inPercent(d.Q25), inPercent(d.Median), inPercent(d.Q75))},
		{"frequency", heatLegend},
	}...))
	fmt.Fprintln(v.w)
	t := newTable(">layer", fmt.Sprintf(">entropy of %.2f", r.Layers[0].MaxEntropy), ">50 %", ">80 %", ">95 %", ">kept", ">by chance",
		fmt.Sprintf("experts 0 to %d", r.Shape.Experts-1))
	for i := range r.Layers {
		l := &r.Layers[i]
		frequencies := make([]float64, len(l.Experts))
		for e := range l.Experts {
			frequencies[e] = l.Experts[e].Frequency
		}
		t.AppendRow(table.Row{i, fmt.Sprintf("%.2f", l.Entropy), l.HotSet.Uses50, l.HotSet.Uses80, l.HotSet.Uses95, locality(r, l),
			inPercent(l.LocalityByChance), v.heat.draw(frequencies, even(r))})
	}
	printTable(v.w, t)
	fmt.Fprintln(v.w)
	t = newTable(">layer", ">neurons", ">min", ">25 %", ">median", ">75 %", ">95 %", ">max", "pairs, and their lift")
	for i := range r.Layers {
		l := &r.Layers[i]
		d := &l.Density
		var pairs []string
		for _, p := range l.Pairs[:min(shownPairs, len(l.Pairs))] {
			pairs = append(pairs, fmt.Sprintf("%d+%d %.1f", p.Experts[0], p.Experts[1], p.Lift))
		}
		t.AppendRow(table.Row{i, inPercent(d.Mean), inPercent(d.Min), inPercent(d.Q25), inPercent(d.Median), inPercent(d.Q75), inPercent(d.Q95),
			inPercent(d.Max), strings.Join(pairs, "  ")})
	}
	printTable(v.w, t)
}

func hotSet(h *activity.HotSet, experts int) string {
	return fmt.Sprintf("%d of %s have 50 %% of the uses; %d have 80 %%; %d have 95 %%", h.Uses50, plural(experts, "expert"), h.Uses80, h.Uses95)
}

// even is the frequency of an expert if all are used alike.
func even(r *activity.Report) float64 { return float64(r.Shape.TopK) / float64(r.Shape.Experts) }

// locality writes a layer's locality, which is known if some token has one before it.
func locality(r *activity.Report, l *activity.LayerReport) string {
	if r.Tokens == r.Windows {
		return "–"
	}
	return inPercent(l.Locality)
}

func (v activityView) source(r *activity.Report) [][2]string {
	return [][2]string{
		{"model", fmt.Sprintf("%s: %s", r.Model, r.Shape)},
		{"text", fmt.Sprintf("%s: %s in %s of up to %s", r.Text, plural(int(r.Tokens), "token"), plural(int(r.Windows), "window"),
			humanize.Comma(int64(r.Context)))},
	}
}

// layer prints a row for every expert of a layer.
func (v activityView) layer(r *activity.Report, l *activity.LayerReport) {
	d := &l.Density
	facts(v.w, v.screen, append(v.source(r), [][2]string{
		{"layer", fmt.Sprintf("%d, entropy %.2f of %.2f bits", l.Layer, l.Entropy, l.MaxEntropy)},
		{"hot set", hotSet(&l.HotSet, len(l.Experts))},
		{"kept", fmt.Sprintf("%s of a token's experts are those of the token before, by chance %s", locality(r, l), inPercent(l.LocalityByChance))},
		{"neurons", fmt.Sprintf("%s active: min %s, quartiles %s, %s, %s, 95 %% up to %s, max %s", inPercent(d.Mean), inPercent(d.Min), inPercent(d.Q25),
			inPercent(d.Median), inPercent(d.Q75), inPercent(d.Q95), inPercent(d.Max))},
		{"frequency", heatLegend},
	}...))
	fmt.Fprintln(v.w)
	t := newTable(">expert", ">uses", ">frequency", "", ">weight", ">neurons", ">goes with", ">lift")
	for _, e := range l.Experts {
		row := table.Row{e.Expert, humanize.Comma(e.Uses), inPercent(e.Frequency), v.heat.cell(e.Frequency, even(r)), "–", "–", "–", "–"}
		if e.Uses > 0 {
			row[4], row[5] = fmt.Sprintf("%.3f", e.MeanWeight), inPercent(e.Density)
		}
		if e.Partner >= 0 {
			row[6], row[7] = e.Partner, fmt.Sprintf("%.2f", e.Lift)
		}
		t.AppendRow(row)
	}
	printTable(v.w, t)
	if len(l.Pairs) == 0 {
		return
	}
	fmt.Fprintln(v.w)
	t = newTable("pair", ">together", ">by chance", ">lift")
	for _, p := range l.Pairs {
		t.AppendRow(table.Row{fmt.Sprintf("%d+%d", p.Experts[0], p.Experts[1]), humanize.Comma(p.Together), fmt.Sprintf("%.1f", p.Expected),
			fmt.Sprintf("%.2f", p.Lift)})
	}
	printTable(v.w, t)
}
