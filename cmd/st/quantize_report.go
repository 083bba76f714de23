package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"

	"st/convert"
)

// lossReport is what st quantize --report tells.
type lossReport struct {
	Classes []lossRow `json:"classes"`
	Layers  []lossRow `json:"layers"`
	Worst   []lossRow `json:"worst"`
}

type lossRow struct {
	Name        string  `json:"name"`
	Layer       int     `json:"layer"`
	Tensors     int     `json:"tensors"`
	Weights     int64   `json:"weights"`
	Bytes       int64   `json:"bytes"`
	Bits        float64 `json:"bits_per_weight"`
	RelativeRMS float64 `json:"relative_rms_error"`
	MaxError    float64 `json:"max_error"`
	Outliers    int64   `json:"outliers"`
}

const worstTensors = 10

// newLossReport sums up losses, which come with the largest first.
func newLossReport(all []convert.Loss) *lossReport {
	type key struct {
		class convert.Class
		layer int
	}
	sums := map[key]*convert.Loss{}
	tensors := map[key]int{}
	var classes, layers []key
	add := func(keys *[]key, k key, l *convert.Loss) {
		if sums[k] == nil {
			sums[k] = &convert.Loss{Layer: k.layer}
			*keys = append(*keys, k)
		}
		sums[k].Add(l)
		tensors[k]++
	}
	const anyLayer = -1
	for i := range all {
		l := &all[i]
		add(&classes, key{l.Class, anyLayer}, l)
		if l.Layer >= 0 && l.Class != convert.Exact {
			add(&layers, key{l.Class, l.Layer}, l)
		}
	}
	slices.SortFunc(classes, func(a, b key) int { return int(a.class) - int(b.class) })
	slices.SortFunc(layers, func(a, b key) int { return cmp.Or(a.layer-b.layer, int(a.class)-int(b.class)) })
	r := &lossReport{Classes: []lossRow{}, Layers: []lossRow{}, Worst: []lossRow{}}
	for _, k := range classes {
		r.Classes = append(r.Classes, newLossRow(k.class.String(), tensors[k], sums[k]))
	}
	for _, k := range layers {
		r.Layers = append(r.Layers, newLossRow(k.class.String(), tensors[k], sums[k]))
	}
	for i := range all[:min(worstTensors, len(all))] {
		r.Worst = append(r.Worst, newLossRow(all[i].Tensor, 1, &all[i]))
	}
	return r
}

func newLossRow(name string, tensors int, l *convert.Loss) lossRow {
	return lossRow{name, l.Layer, tensors, l.Weights, l.Bytes, l.Bits(), l.RelativeRMS(), l.MaxError, l.Outliers}
}

func (r *lossReport) print(w io.Writer) {
	if len(r.Classes) == 0 {
		fmt.Fprintln(w, "nothing was lost: all tensors had their types already and were copied")
		return
	}
	for i, part := range []struct {
		heading string
		rows    []lossRow
	}{{"class", r.Classes}, {"layer", r.Layers}, {"worst tensors", r.Worst}} {
		if i > 0 {
			fmt.Fprintln(w)
		}
		t := newTable(part.heading, ">tensors", ">weights", ">bits", ">error", ">max error", ">outliers")
		for _, x := range part.rows {
			name := x.Name
			if part.heading == "layer" {
				name = fmt.Sprintf("%d %s", x.Layer, x.Name)
			}
			t.AppendRow(table.Row{name, humanize.Comma(int64(x.Tensors)), count(x.Weights), fmt.Sprintf("%.2f", x.Bits),
				fmt.Sprintf("%.3f %%", 100*x.RelativeRMS), fmt.Sprintf("%.3g", x.MaxError), humanize.Comma(x.Outliers)})
		}
		printTable(w, t)
	}
}
