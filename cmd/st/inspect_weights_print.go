package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// inspectWeights is st inspect for weights that are not in an .stm file.
func (a *app) inspectWeights(path string, f inspectFlags) error {
	if f.experts || f.verify || f.cachePlan || f.trace != "" || f.html != "" {
		return usagef("%s is no .stm file: --experts, --verify, --cache-plan, --trace and --html need one, which st convert makes of a checkpoint", path)
	}
	r, err := openWeights(path)
	if err != nil {
		return err
	}
	if f.tensors {
		r.Tensors = slices.DeleteFunc(slices.Clone(r.all), func(t weightsTensor) bool { return f.layer >= 0 && foreignLayer(t.Name) != f.layer })
	}
	switch {
	case f.json:
		return a.printJSON(r)
	case f.tensors:
		r.printTensors(a.stdout, a.screen())
	case !f.layers:
		r.print(a.stdout, a.screen())
	}
	if f.layers {
		r.printLayers(a.stdout, a.screen(), f.layer)
	}
	return nil
}

// shownMetadata bounds the lines of a summary.
const shownMetadata = 20

func (r *weightsReport) print(w io.Writer, s screen) {
	fmt.Fprintln(w, s.paint(colorStrong, printable(r.Path)))
	fmt.Fprintf(w, "%s in %s of %s: %s parameters in %s, %.3g bits each\n\n", r.Kind, plural(len(r.Files), "file"), size(r.Bytes),
		count(r.Parameters), plural(len(r.all), "tensor"), r.BitsPerWeight)
	if r.Architecture != nil {
		facts(w, s, (&fileReport{Architecture: *r.Architecture}).architectureFacts())
		fmt.Fprintln(w)
	}
	var rows [][2]string
	for _, m := range r.Metadata {
		if strings.HasSuffix(m.Value, " elements") || strings.HasPrefix(m.Key, "tokenizer.") {
			continue // lists, such as a tokenizer's
		}
		rows = append(rows, [2]string{printable(m.Key), text.Snip(printable(m.Value), 80, "…")})
	}
	if len(rows) > shownMetadata {
		rows = append(rows[:shownMetadata], [2]string{"", fmt.Sprintf("… and %d more: --json lists them", len(rows)-shownMetadata)})
	}
	if rows != nil {
		facts(w, s, rows)
		fmt.Fprintln(w)
	}
	t := s.table("part", "types", ">bits/weight", ">parameters", ">size", ">share")
	for _, x := range r.Sizes {
		t.AppendRow(table.Row{x.Class, strings.Join(x.Types, ", "), fmt.Sprintf("%.3g", x.BitsPerWeight), count(x.Parameters), size(x.Bytes),
			fmt.Sprintf("%.1f %%", 100*x.Share)})
	}
	printTable(w, t)
	fmt.Fprintln(w)
	t = s.table("type", ">bits/weight", ">tensors", ">parameters", ">size")
	for _, x := range r.Types {
		t.AppendRow(table.Row{x.Type, fmt.Sprintf("%.3g", x.BitsPerWeight), humanize.Comma(int64(x.Tensors)), count(x.Parameters), size(x.Bytes)})
	}
	printTable(w, t)
	if r.Unsupported != "" {
		fmt.Fprintf(w, "\nst convert does not take it: %s\n", printable(r.Unsupported))
	}
}

func (r *weightsReport) printTensors(w io.Writer, s screen) {
	t := s.table("tensor", "type", ">shape", ">size", "file")
	for _, x := range r.Tensors {
		t.AppendRow(table.Row{printable(x.Name), x.Type, strings.Trim(strings.ReplaceAll(fmt.Sprint(x.Shape), " ", "×"), "[]"), size(x.Bytes), printable(x.File)})
	}
	printTable(w, t)
}

// printLayers prints the bytes of each layer by class, of one if that is not −1.
func (r *weightsReport) printLayers(w io.Writer, s screen, layer int) {
	bytes := map[int]map[string]int64{}
	for _, x := range r.all {
		l := foreignLayer(x.Name)
		if bytes[l] == nil {
			bytes[l] = map[string]int64{}
		}
		bytes[l][foreignClass(x.Name)] += x.Bytes
	}
	headings := []string{">layer"}
	var parts []string
	for _, x := range r.Sizes {
		parts = append(parts, x.Class)
		headings = append(headings, ">"+x.Class)
	}
	t := s.table(append(headings, ">all")...)
	for _, l := range slices.Sorted(maps.Keys(bytes)) {
		if layer >= 0 && l != layer {
			continue
		}
		row := table.Row{"–"}
		if l >= 0 {
			row = table.Row{l}
		}
		var sum int64
		for _, p := range parts {
			cell := ""
			if n := bytes[l][p]; n > 0 {
				cell, sum = size(n), sum+n
			}
			row = append(row, cell)
		}
		t.AppendRow(append(row, size(sum)))
	}
	printTable(w, t)
}
