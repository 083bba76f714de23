package main

import (
	"io"

	"github.com/jedib0t/go-pretty/v6/table"

	"st/cmd/internal/terminal"
)

// The short names by which the commands that run models print.

func size(bytes int64) string            { return terminal.Size(bytes) }
func count(n int64) string               { return terminal.Count(n) }
func plural(n int, noun string) string   { return terminal.Plural(n, noun) }
func printTable(w io.Writer, t rowTable) { t.Print(w) }

type rowTable struct{ *terminal.Table }

func newTable(headings ...string) rowTable { return rowTable{terminal.Screen{}.Table(headings...)} }

func (t rowTable) AppendRow(row table.Row) { t.Row(row...) }

// progress shows how far long work is; nil shows nothing.
type progress struct{ *terminal.Progress }

// newProgress returns the progress of work that begins now and is counted in unit, which is shown on standard error; nil if --quiet.
func (a *app) newProgress(label, unit string) *progress {
	if a.quiet {
		return nil
	}
	return &progress{terminal.NewProgress(a.stderr, a.errTerminal, label, unit)}
}

func (p *progress) update(done, total int64) {
	if p != nil {
		p.Update(done, total)
	}
}

// begin says how much was done when the work began.
func (p *progress) begin(done int64) {
	if p != nil {
		p.Begin(done)
	}
}

func (p *progress) finish() {
	if p != nil {
		p.Finish()
	}
}

// screen returns how standard output is seen.
func (a *app) screen() terminal.Screen { return terminal.ScreenOf(a.stdout.w) }
