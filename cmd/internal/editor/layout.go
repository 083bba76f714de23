package editor

import (
	"strconv"
	"strings"
)

const tabStop = 8

// row is a row of the screen.
type row struct {
	text     string
	columns  int
	disputed bool // a terminal may draw some of it otherwise than its columns say
}

// layout is a text as rows, and where the cursor stands in them.
type layout struct {
	rows        []row
	cursor, col int
}

// lay cuts a text into rows of a width. The first line follows prompt, others follow more.
func lay(prompt, more string, t *text, width int) layout {
	l := layouter{width: max(width, 2)}
	var cursor, col int
	l.lay(prompt, more, t.s, func(at, row, c int) {
		if at == t.at {
			cursor, col = row, c
		}
	})
	return layout{l.rows, cursor, col}
}

// locate returns the position in a text that is shown in a row, at a column or before it.
func locate(prompt, more string, t *text, width, row, col int) (at int) {
	l := layouter{width: max(width, 2)}
	found := false
	l.lay(prompt, more, t.s, func(i, r, c int) {
		if r == row && (!found || c <= col) {
			at, found = i, true
		}
	})
	return at
}

type layouter struct {
	width  int
	margin int // columns before the text of a line, which tab stops count from
	rows   []row

	text     []byte // of the row that is being written
	columns  int
	disputed bool
}

// lay calls visit for each position that a cursor can have, with the row and the column where it is shown.
func (l *layouter) lay(prompt, more, s string, visit func(at, row, col int)) {
	at := 0
	for first := true; ; first = false {
		line, _, again := strings.Cut(s[at:], "\n")
		if first {
			l.put(prompt)
		} else {
			l.put(more)
		}
		l.margin = l.columns
		clusters(line, func(cluster string, columns int) bool {
			show := cluster
			if cluster != "\t" {
				show, columns = shown(cluster, columns)
			}
			l.wrap(max(1, columns))
			visit(at, len(l.rows), l.columns)
			l.add(show, columns)
			at += len(cluster)
			return true
		})
		l.wrap(1)
		visit(at, len(l.rows), l.columns)
		l.end()
		if !again {
			return
		}
		at++
	}
}

// put writes a prompt, if it leaves room for a text.
func (l *layouter) put(prompt string) {
	if len(prompt) < l.width-2 {
		l.text, l.columns = append(l.text, prompt...), len(prompt)
	}
}

// wrap begins a new row if so many columns do not fit.
func (l *layouter) wrap(columns int) {
	if l.columns > 0 && l.columns+columns > l.width {
		l.end()
		l.margin = 0
	}
}

// add writes a cluster.
func (l *layouter) add(cluster string, columns int) {
	if cluster == "\t" {
		n := min(tabStop-(l.columns-l.margin)%tabStop, l.width-l.columns)
		l.text = append(l.text, strings.Repeat(" ", n)...)
		l.columns += n
		return
	}
	l.text = append(l.text, cluster...)
	l.columns += columns
	if disputed(cluster) { // what follows stands where we think that it does
		l.disputed = true
		l.text = append(strconv.AppendInt(append(l.text, "\x1b["...), int64(min(l.columns+1, l.width)), 10), 'G')
	}
}

// end ends a row.
func (l *layouter) end() {
	l.rows = append(l.rows, row{string(l.text), l.columns, l.disputed})
	l.text, l.columns, l.disputed = l.text[:0], 0, false
}
