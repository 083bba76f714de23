package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"st/runtime/activity"
)

// compareFiles compares two reports of st inspect --run --json. The layer, if it is not −1, must be one of theirs.
func compareFiles(pathA, pathB string, layer int) (*activity.Comparison, error) {
	a, err := readActivity(pathA)
	if err != nil {
		return nil, err
	}
	b, err := readActivity(pathB)
	if err != nil {
		return nil, err
	}
	c, err := activity.Compare(a, b)
	if err != nil {
		return nil, fmt.Errorf("%s and %s cannot be compared: %w", pathA, pathB, err)
	}
	if layer >= len(c.Layers) {
		return nil, fmt.Errorf("--layer %d: %s has layers 0 to %d", layer, pathA, len(c.Layers)-1)
	}
	return c, nil
}

func readActivity(path string) (*activity.Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, cause(err))
	}
	defer f.Close()
	r, err := activity.ReadReport(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; st inspect MODEL --run --text FILE --json writes one", path, err)
	}
	return r, nil
}

// shownChanges is the number of experts in a layer's row.
const shownChanges = 3

// compare prints a row for every layer, and the experts that changed most.
func (v activityView) compare(c *activity.Comparison) {
	v.sources(c)
	t := newTable(">layer", ">variation", ">by chance", ">JS, bits", ">same 50 %", ">80 %", ">95 %", ">neurons, points", "changed most, points")
	row := func(name any, variation, chance, divergence float64, o activity.Overlap, density float64, changed string) {
		t.AppendRow(table.Row{name, inPercent(variation), inPercent(chance), fmt.Sprintf("%.3f", divergence), inPercent(o.Uses50), inPercent(o.Uses80),
			inPercent(o.Uses95), points(density), changed})
	}
	for i := range c.Layers {
		l := &c.Layers[i]
		var changed []string
		for _, e := range activity.MostChanged(l.Experts, shownChanges) {
			changed = append(changed, fmt.Sprintf("%d: %s", e.Expert, points(e.Difference)))
		}
		row(i, l.Variation, l.ByChance, l.Divergence, l.Overlap, l.DensityShift, strings.Join(changed, "  "))
	}
	row("all", c.Variation, c.ByChance, c.Divergence, c.Overlap, c.DensityShift, "")
	printTable(v.w, t)
	fmt.Fprintln(v.w)
	v.changes(c.Changed)
}

// compareLayer prints a row for every expert of a layer.
func (v activityView) compareLayer(c *activity.Comparison, layer int) {
	v.sources(c)
	v.changes(c.Layers[layer].Experts)
}

func (v activityView) sources(c *activity.Comparison) {
	source := func(s *activity.Source) string {
		return fmt.Sprintf("%s on %s: %s, %s of the neurons active", s.Model, s.Text, plural(int(s.Tokens), "token"), inPercent(s.Density.Mean))
	}
	facts(v.w, v.screen, [][2]string{{"A", source(&c.A)}, {"B", source(&c.B)}})
	fmt.Fprintln(v.w)
}

// changes prints the frequency of experts, in one text and in the other.
func (v activityView) changes(all []activity.ExpertChange) {
	t := newTable(">layer", ">expert", ">frequency in A", ">in B", ">points")
	for _, e := range all {
		t.AppendRow(table.Row{e.Layer, e.Expert, inPercent(e.FrequencyA), inPercent(e.FrequencyB), points(e.Difference)})
	}
	printTable(v.w, t)
}
