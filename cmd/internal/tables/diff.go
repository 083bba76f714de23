package tables

import (
	"fmt"
	"io"
	"strings"

	"st/cmd/internal/report"
	"st/cmd/internal/terminal"
)

// maxMetaWidth is as much as is shown of a value.
const maxMetaWidth = 60

// Diff prints how two files differ, with the top tensors of those that do.
func Diff(w io.Writer, s terminal.Screen, r *report.Diff, top int) {
	file := func(name string, f *report.DiffFile) terminal.Fact {
		return terminal.Fact{Name: name, Value: fmt.Sprintf("%s, %s", f.File, terminal.Size(f.Bytes))}
	}
	s.Facts(w, file("A", &r.A), file("B", &r.B))
	if len(r.Meta) > 0 {
		fmt.Fprintln(w)
		t := s.Table("", "", "A", "B")
		for _, m := range r.Meta {
			t.Row(m.Part, m.Field, shownValue(m.A), shownValue(m.B))
		}
		t.Print(w)
	}
	fmt.Fprintln(w)
	if r.Same {
		fmt.Fprintln(w, s.Paint(terminal.Good, "the same")+": all tensors, and all that the files say of the model")
		return
	}
	if len(r.Tensors) == 0 {
		fmt.Fprintln(w, "all tensors are the same")
		return
	}
	t := s.Table("class", ">tensors", ">differ", "type", ">size in A", ">in B", ">relative", ">max", ">cosine")
	for _, c := range r.Classes {
		t.Row(append([]any{c.Class, c.Tensors, c.Changed, change(strings.Join(c.TypesA, " "), strings.Join(c.TypesB, " ")),
			terminal.Size(c.BytesA), terminal.Size(c.BytesB)}, columns(c.Values)...)...)
	}
	t.Print(w)
	if top = min(top, len(r.Tensors)); top == 0 {
		return
	}
	fmt.Fprintln(w)
	t = s.Table(fmt.Sprintf("%d of %s that differ", top, terminal.Plural(len(r.Tensors), "tensor")), "type", ">relative", ">max", ">cosine")
	for _, x := range r.Tensors[:top] {
		t.Row(append([]any{terminal.Printable(x.Name), what(&x)}, columns(x.Values)...)...)
	}
	t.Print(w)
}

// what tells of a tensor's types, or why its numbers were not compared.
func what(t *report.TensorDiff) string {
	switch {
	case t.OnlyIn != "":
		return "only in " + strings.ToUpper(t.OnlyIn)
	case t.Values == nil:
		return fmt.Sprintf("shape %v → %v", t.ShapeA, t.ShapeB)
	}
	return change(t.TypeA, t.TypeB)
}

// columns are the numbers of a row; a dash if there are none.
func columns(v *report.ValueDiff) []any {
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
	return terminal.Printable(terminal.Snip(v, maxMetaWidth))
}
