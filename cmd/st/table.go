package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// newTable returns a table of plain aligned columns. A heading that begins with '>' makes a right-aligned column.
func newTable(headings ...string) table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.Style{
		Box:    table.BoxStyle{PaddingRight: "  "},
		Format: table.FormatOptions{Header: text.FormatDefault, Row: text.FormatDefault, Footer: text.FormatDefault},
	})
	t.SuppressTrailingSpaces()
	var columns []table.ColumnConfig
	var row table.Row
	for i, h := range headings {
		c := table.ColumnConfig{Number: i + 1}
		if name, right := strings.CutPrefix(h, ">"); right {
			c.Align, c.AlignHeader, h = text.AlignRight, text.AlignRight, name
		}
		columns = append(columns, c)
		row = append(row, h)
	}
	t.SetColumnConfigs(columns)
	t.AppendHeader(row)
	return t
}

func printTable(w io.Writer, t table.Writer) { fmt.Fprintln(w, t.Render()) }

// printable replaces control characters, which text from a file could play tricks on a terminal with.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}

func size(bytes int64) string { return humanize.IBytes(uint64(bytes)) }

// count writes a number of parameters as people do: 4.3 B.
func count(n int64) string {
	switch f := float64(n); {
	case f >= 1e9:
		return fmt.Sprintf("%.2f B", f/1e9)
	case f >= 1e6:
		return fmt.Sprintf("%.2f M", f/1e6)
	case f >= 1e3:
		return fmt.Sprintf("%.1f k", f/1e3)
	}
	return fmt.Sprint(n)
}

// plural writes a number and its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return humanize.Comma(int64(n)) + " " + noun + "s"
}
