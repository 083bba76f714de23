package tables

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"st/cmd/internal/report"
	"st/cmd/internal/terminal"
)

// shownMetadata bounds the lines of a summary.
const shownMetadata = 20

// Checkpoint prints a summary of weights that are in no .stm file.
func Checkpoint(w io.Writer, s terminal.Screen, r *report.Checkpoint) {
	fmt.Fprintln(w, s.Paint(terminal.Strong, terminal.Printable(r.Path)))
	about := fmt.Sprintf("%s in %s of %s: %s parameters in %s, %.3g bits each", r.Kind, terminal.Plural(len(r.Files), "file"), terminal.Size(r.Bytes),
		terminal.Count(r.Parameters), terminal.Plural(r.TensorCount(), "tensor"), r.BitsPerWeight)
	for _, line := range terminal.Wrap(about, s.Width) {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintln(w)
	if r.Architecture != nil {
		s.Facts(w, architecture(r.Architecture)...)
		fmt.Fprintln(w)
	}
	var rows []terminal.Fact
	for _, m := range r.Metadata {
		if strings.HasSuffix(m.Value, " elements") || strings.HasPrefix(m.Key, "tokenizer.") {
			continue // lists, such as a tokenizer's
		}
		rows = append(rows, terminal.Fact{Name: terminal.Printable(m.Key), Value: terminal.Snip(terminal.Printable(m.Value), 80)})
	}
	if len(rows) > shownMetadata {
		rows = append(rows[:shownMetadata], terminal.Fact{Value: fmt.Sprintf("… and %d more: --json lists them", len(rows)-shownMetadata)})
	}
	if rows != nil {
		s.Facts(w, rows...)
		fmt.Fprintln(w)
	}
	t := s.Table("part", "types", ">bits/weight", ">parameters", ">size", ">share")
	parts := len("part")
	for _, x := range r.Sizes {
		parts = max(parts, len(x.Class))
	}
	types := max(len("types"), s.Width-parts-len("    bits/weight  parameters  100 MiB  100.0 %"))
	for _, x := range r.Sizes {
		t.Row(x.Class, s.Fit(strings.Join(x.Types, ", "), types), fmt.Sprintf("%.3g", x.BitsPerWeight), terminal.Count(x.Parameters), terminal.Size(x.Bytes),
			terminal.Percent(x.Share))
	}
	t.Print(w)
	fmt.Fprintln(w)
	t = s.Table("type", ">bits/weight", ">tensors", ">parameters", ">size")
	for _, x := range r.Types {
		t.Row(x.Type, fmt.Sprintf("%.3g", x.BitsPerWeight), terminal.Comma(x.Tensors), terminal.Count(x.Parameters), terminal.Size(x.Bytes))
	}
	t.Print(w)
	switch {
	case r.Unsupported != "":
		fmt.Fprintf(w, "\nst convert does not take it: %s\n", terminal.Printable(r.Unsupported))
	case strings.HasPrefix(r.Kind, "gguf"):
		fmt.Fprintln(w, "\nst convert takes it")
	}
}

// CheckpointTensors prints where tensors are.
func CheckpointTensors(w io.Writer, s terminal.Screen, all []report.CheckpointTensor) {
	t := s.Table("tensor", "type", ">shape", ">size", "file")
	for _, x := range all {
		t.Row(terminal.Printable(x.Name), x.Type, strings.Trim(strings.ReplaceAll(fmt.Sprint(x.Shape), " ", "×"), "[]"), terminal.Size(x.Bytes), terminal.Printable(x.File))
	}
	t.Print(w)
}

// CheckpointLayers prints the bytes of each layer by class; of one layer if that is not −1.
func CheckpointLayers(w io.Writer, s terminal.Screen, r *report.Checkpoint, layer int) {
	bytes := r.LayerBytes()
	headings := []string{">layer"}
	for _, x := range r.Sizes {
		headings = append(headings, ">"+string(x.Class))
	}
	t := s.Table(append(headings, ">all")...)
	for _, l := range slices.Sorted(maps.Keys(bytes)) {
		if layer >= 0 && l != layer {
			continue
		}
		row := []any{"–"}
		if l >= 0 {
			row = []any{l}
		}
		var sum int64
		for _, x := range r.Sizes {
			cell := ""
			if n := bytes[l][x.Class]; n > 0 {
				cell, sum = terminal.Size(n), sum+n
			}
			row = append(row, cell)
		}
		t.Row(append(row, terminal.Size(sum))...)
	}
	t.Print(w)
}
