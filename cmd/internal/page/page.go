package page

import (
	_ "embed"
	"html/template"
	"io"
)

// Page is a report.
type Page struct {
	Title    string
	Subtitle string
	Tiles    []Tile
	Sections []Section
	Footer   string
}

// Tile is a figure that stands out.
type Tile struct{ Name, Value, Note string }

// Section is a part of a report. What is empty is left out.
type Section struct {
	Title, Text string
	Keys        []Key // of the picture's colours
	Picture     template.HTML
	Table       *Table
}

// Key explains a colour: the number of a series.
type Key struct {
	Series int
	Name   string
}

// Table can be sorted by a click on a heading.
type Table struct {
	Heads []Head
	Rows  [][]Cell
}

// Head is a column's heading.
type Head struct {
	Name  string
	Right bool // numbers
}

// Cell is an entry: its text, and what a column of numbers is sorted by.
type Cell struct {
	Text string
	Sort float64
}

//go:embed page.html
var source string

var tmpl = template.Must(template.New("page").Parse(source))

// Write writes the page.
func (p *Page) Write(w io.Writer) error { return tmpl.Execute(w, p) }
