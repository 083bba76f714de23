package tables

import (
	"fmt"
	"io"
	"strings"

	"st/cmd/internal/terminal"
	"st/runtime/activity"
)

// shownChanges is the number of experts in a layer's row.
const shownChanges = 3

// Comparison prints a row for every layer, and the experts that changed most.
func Comparison(w io.Writer, s terminal.Screen, c *activity.Comparison) {
	comparisonSources(w, s, c)
	headings := []string{">layer", ">variation", ">by chance", ">JS, bits", ">same 50 %", ">80 %", ">95 %"}
	if c.DensityShift != nil {
		headings = append(headings, ">neurons, points")
	}
	t := s.Table(append(headings, "changed most, points")...)
	row := func(name any, variation, chance, divergence float64, o activity.Overlap, density *float64, changed string) {
		cells := []any{name, terminal.Percent(variation), terminal.Percent(chance), fmt.Sprintf("%.3f", divergence), terminal.Percent(o.Uses50),
			terminal.Percent(o.Uses80), terminal.Percent(o.Uses95)}
		if density != nil {
			cells = append(cells, terminal.Points(*density))
		}
		t.Row(append(cells, changed)...)
	}
	for i := range c.Layers {
		l := &c.Layers[i]
		var changed []string
		for _, e := range activity.MostChanged(l.Experts, shownChanges) {
			changed = append(changed, fmt.Sprintf("%d: %s", e.Expert, terminal.Points(e.Difference)))
		}
		row(l.Layer, l.Variation, l.ByChance, l.Divergence, l.Overlap, l.DensityShift, strings.Join(changed, "  "))
	}
	row("all", c.Variation, c.ByChance, c.Divergence, c.Overlap, c.DensityShift, "")
	t.Print(w)
	fmt.Fprintln(w)
	changes(w, s, c.Changed)
}

// ComparisonLayer prints a row for every expert of a layer.
func ComparisonLayer(w io.Writer, s terminal.Screen, c *activity.Comparison, l *activity.LayerComparison) {
	comparisonSources(w, s, c)
	changes(w, s, l.Experts)
}

func comparisonSources(w io.Writer, s terminal.Screen, c *activity.Comparison) {
	source := func(x *activity.Source) string {
		text := fmt.Sprintf("%s on %s: %s", x.Model, x.Text, terminal.Plural(x.Tokens, "token"))
		if x.Density != nil {
			text += fmt.Sprintf(", %s of the neurons active", terminal.Percent(x.Density.Mean))
		}
		return text
	}
	s.Facts(w, terminal.Fact{Name: "A", Value: source(&c.A)}, terminal.Fact{Name: "B", Value: source(&c.B)})
	fmt.Fprintln(w)
}

// changes prints the frequency of experts, in one text and in the other.
func changes(w io.Writer, s terminal.Screen, all []activity.ExpertChange) {
	t := s.Table(">layer", ">expert", ">frequency in A", ">in B", ">points")
	for _, e := range all {
		t.Row(e.Layer, e.Expert, terminal.Percent(e.FrequencyA), terminal.Percent(e.FrequencyB), terminal.Points(e.Difference))
	}
	t.Print(w)
}
