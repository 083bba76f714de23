package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// maxMetaWidth is as much as is shown of a value.
const maxMetaWidth = 60

// print prints the report with the top tensors of it.
func (r *diffReport) print(w io.Writer, s screen, top int) {
	facts(w, s, [][2]string{{"A", fmt.Sprintf("%s, %s", r.A.File, size(r.A.Bytes))}, {"B", fmt.Sprintf("%s, %s", r.B.File, size(r.B.Bytes))}})
	if len(r.Meta) > 0 {
		fmt.Fprintln(w)
		t := s.table("", "", "A", "B")
		for _, m := range r.Meta {
			t.AppendRow(table.Row{m.Part, m.Field, shownValue(m.A), shownValue(m.B)})
		}
		printTable(w, t)
	}
	fmt.Fprintln(w)
	if r.Same {
		fmt.Fprintln(w, s.paint(colorGood, "the same")+": all tensors, and all that the files say of the model")
		return
	}
	if len(r.Tensors) == 0 {
		fmt.Fprintln(w, "all tensors are the same")
		return
	}
	t := s.table("class", ">tensors", ">differ", "type", ">size in A", ">in B", ">relative", ">max", ">cosine")
	for _, c := range r.Classes {
		t.AppendRow(append(table.Row{c.Class, c.Tensors, c.Changed, change(strings.Join(c.TypesA, " "), strings.Join(c.TypesB, " ")),
			size(c.BytesA), size(c.BytesB)}, c.Values.columns()...))
	}
	printTable(w, t)
	if top = min(top, len(r.Tensors)); top == 0 {
		return
	}
	fmt.Fprintln(w)
	t = s.table(fmt.Sprintf("%d of %s that differ", top, plural(len(r.Tensors), "tensor")), "type", ">relative", ">max", ">cosine")
	for _, x := range r.Tensors[:top] {
		t.AppendRow(append(table.Row{x.Name, x.what()}, x.Values.columns()...))
	}
	printTable(w, t)
}

// what tells of a tensor's types, or why its numbers were not compared.
func (t *tensorDiff) what() string {
	switch {
	case t.OnlyIn != "":
		return "only in " + strings.ToUpper(t.OnlyIn)
	case t.Values == nil:
		return fmt.Sprintf("shape %v → %v", t.ShapeA, t.ShapeB)
	}
	return change(t.TypeA, t.TypeB)
}

// columns are the numbers of a row; a dash if there are none.
func (v *valueDiff) columns() []any {
	if v == nil {
		return []any{"–", "–", "–"}
	}
	return []any{fmt.Sprintf("%.3f %%", 100*v.Relative), fmt.Sprintf("%.3g", v.MaxAbs), fmt.Sprintf("%.6f", v.Cosine)}
}

// change writes what became of something.
func change(a, b string) string {
	if a == b {
		return a
	}
	return a + " → " + b
}

// shownValue shortens a value, and says so if there is none.
func shownValue(v string) string {
	if v == "" {
		return "–"
	}
	return printable(text.Snip(v, maxMetaWidth, "…"))
}
