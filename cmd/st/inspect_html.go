package main

import (
	"context"
	"errors"

	"st/cmd/internal/page"
	"st/cmd/internal/report"
	"st/format"
	"st/format/outfile"
	"st/runtime/activity"
)

// inspectPage writes everything that can be told of a file as one page: with --run also what its experts do on a text, and the speeds
// by --memory if it is known which experts are used.
func (a *app) inspectPage(ctx context.Context, r *format.Reader, f inspectFlags, run *activityFlags) error {
	if f.json || f.tensors || f.layers || f.experts || f.verify || f.layer >= 0 {
		return usagef("--html shows everything: leave out --json, --tensors, --layers, --experts, --layer and --verify")
	}
	output := outfile.Options{Replace: f.force, Inputs: []string{r.Path(), run.text, f.trace}}
	if f.html != "-" {
		if err := outfile.Check(f.html, output); err != nil {
			return err
		}
	}
	var did *activity.Report
	if run.run {
		var err error
		if did, err = a.runActivity(ctx, r.Path(), run, -1); err != nil {
			return err
		}
	}
	file, err := a.readReport(ctx, r, report.Parts{Tensors: true, Layers: true, Experts: true, Layer: -1})
	if err != nil {
		return err
	}
	usage, err := r.Usage()
	if err != nil && !errors.Is(err, format.ErrUsage) {
		return err
	}
	if f.trace != "" || f.cachePlan || usage != nil {
		file.CachePlan, err = a.planCache(ctx, r, f)
		if few := errors.Is(err, report.ErrFewUses) && !f.cachePlan; err != nil && !few { // nobody asked for it
			return err
		}
	}
	if f.html == "-" {
		return page.File(file, did).Write(a.stdout)
	}
	if err := a.writeFile(f.html, output, page.File(file, did).Write); err != nil {
		return err
	}
	a.note("%s: open it in a browser", f.html)
	return nil
}
