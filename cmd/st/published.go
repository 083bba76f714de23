package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"st/cmd/internal/report"
)

// listPublished is st list --published.
func (a *app) listPublished(ctx context.Context, asJSON bool) error {
	p, err := report.ReadPublished(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(p)
	}
	printPublished(a.stdout, p)
	return nil
}

// printPublished prints which models fit the machine.
func printPublished(w io.Writer, p *report.Published) {
	t := newTable("MODEL", ">PARAMETERS", ">ACTIVE", "TYPE", ">FILE", ">MEMORY", "FITS", ">TOKENS/S")
	for _, m := range p.Models {
		for i, e := range m.Types {
			name, params, active := m.Name, count(m.Parameters), count(m.Active)
			if i > 0 {
				name, params, active = "", "", ""
			}
			fits, speed := "in part", "by the disk"
			if e.Fits {
				fits, speed = "yes", atMost(e.Speed)
			}
			if p.Available == 0 {
				fits, speed = "?", atMost(e.Speed)
			}
			t.AppendRow([]any{name, params, active, e.Type, size(e.File), size(e.Needed), fits, speed})
		}
	}
	printTable(w, t)
	fmt.Fprintf(w, "\nmemory %s available, read at %.1f GB/s; tokens/s are that over the bytes that a token reads, an estimate\n", size(p.Available), p.Bandwidth/1e9)
	if slices.ContainsFunc(p.Models, func(m report.PublishedModel) bool { return m.Gated }) {
		fmt.Fprintln(w, "google's models are gated: accept the terms on the model's page first, and set HF_TOKEN or run hf auth login")
	}
	if i := p.Best(); i >= 0 {
		fmt.Fprintf(w, "a good choice here: st run %s\n", p.Models[i].Name)
	}
}

// atMost writes an upper bound of a speed, as exactly as an estimate is.
func atMost(perSecond float64) string {
	if perSecond < 10 {
		return fmt.Sprintf("≤ %.1f", perSecond)
	}
	return fmt.Sprintf("≤ %.0f", perSecond)
}
