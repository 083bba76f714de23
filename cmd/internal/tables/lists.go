package tables

import (
	"fmt"
	"io"
	"strings"

	"st/cmd/internal/report"
	"st/cmd/internal/terminal"
)

// Lists prints the tensors, layers and experts that a report has, a blank line between them.
func Lists(w io.Writer, s terminal.Screen, f *report.File) {
	separator := ""
	for _, list := range []struct {
		asked bool
		print func(io.Writer, terminal.Screen, *report.File)
	}{
		{f.Tensors != nil, tensors},
		{f.Layers != nil, layers},
		{f.Experts != nil, experts},
	} {
		if list.asked {
			fmt.Fprint(w, separator)
			list.print(w, s, f)
			separator = "\n"
		}
	}
}

func tensors(w io.Writer, s terminal.Screen, f *report.File) {
	t := s.Table("tensor", ">shape", "type", "layout", ">bytes", ">offset")
	for _, x := range f.Tensors {
		layout := x.Layout
		if x.Transposed {
			layout += ", transposed"
		}
		t.Row(terminal.Printable(x.Name), shape(x.Shape), x.Type, layout, terminal.Comma(x.Bytes), x.Offset)
	}
	t.Print(w)
}

func shape(dims []int) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(dims), "[]"), " ", " × ")
}

// Verification prints what was damaged, or that nothing was.
func Verification(w io.Writer, v *report.Verification) {
	if v.OK {
		fmt.Fprintf(w, "ok: %s, %s\n", terminal.Plural(v.Records, "record"), terminal.Size(v.Bytes))
		return
	}
	for _, d := range v.Damaged {
		fmt.Fprintf(w, "damaged: %s\n", d)
	}
}
