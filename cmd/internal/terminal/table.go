package terminal

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Table is a table of plain aligned columns.
type Table struct{ w table.Writer }

// Table returns an empty table. A heading that begins with '>' makes a right-aligned column.
func (s Screen) Table(headings ...string) *Table {
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
		row = append(row, s.Paint(Strong, h))
	}
	t.SetColumnConfigs(columns)
	t.AppendHeader(row)
	return &Table{t}
}

// Row appends a row. Missing cells at its end are empty.
func (t *Table) Row(cells ...any) { t.w.AppendRow(cells) }

// Print writes the table.
func (t *Table) Print(w io.Writer) { fmt.Fprintln(w, t.w.Render()) }
