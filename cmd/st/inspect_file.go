package main

import (
	"context"
	"fmt"

	"st/cmd/internal/report"
	"st/cmd/internal/tables"
	"st/cmd/internal/terminal"
	"st/format"
)

// inspect is st inspect for an .stm file.
func (a *app) inspect(ctx context.Context, r *format.Reader, f inspectFlags) error {
	file, err := a.readReport(ctx, r, report.Parts{Tensors: f.tensors, Layers: f.layers, Experts: f.experts, Layer: f.layer})
	if err != nil {
		return err
	}
	if !f.json {
		if f == (inspectFlags{layer: -1}) {
			tables.Summary(a.stdout, a.screen(), file)
			return nil
		}
		tables.Lists(a.stdout, a.screen(), file)
	}
	if f.verify {
		if file.Verify, err = a.verify(ctx, r); err != nil {
			return err
		}
		if !f.json {
			tables.Verification(a.stdout, file.Verify)
		}
	}
	if f.cachePlan {
		if file.CachePlan, err = a.planCache(ctx, r, f); err != nil {
			return err
		}
		if !f.json {
			tables.CachePlan(a.stdout, a.screen(), file.CachePlan)
		}
	}
	if f.json {
		if err := a.printJSON(file); err != nil {
			return err
		}
	}
	if v := file.Verify; v != nil && !v.OK {
		return fmt.Errorf("%s is damaged: copy or convert it again", r.Path())
	}
	return nil
}

func (a *app) readReport(ctx context.Context, r *format.Reader, parts report.Parts) (*report.File, error) {
	cache, err := expertCache()
	if err != nil {
		return nil, err
	}
	p := a.newProgress("statistics", "B")
	defer p.finish()
	return report.Read(ctx, r, parts, report.Options{Program: a.program, Progress: p.update, ExpertCache: cache})
}

func (a *app) verify(ctx context.Context, r *format.Reader) (*report.Verification, error) {
	p := a.newProgress("verify", "B")
	v, err := report.Verify(ctx, r, p.update)
	p.finish()
	if err == nil && v.Usage != nil {
		a.note("note: %s; the model is intact", advise(v.Usage))
	}
	return v, err
}

func (a *app) planCache(ctx context.Context, r *format.Reader, f inspectFlags) (*report.CachePlan, error) {
	cache, err := expertCache()
	if err != nil {
		return nil, err
	}
	var status *terminal.Status
	if !a.quiet {
		status = terminal.NewStatus(a.stderr, a.errTerminal)
	}
	defer status.Clear()
	return report.PlanCache(ctx, r, f.trace, report.Options{Program: a.program, Disk: f.disk, DiskCache: diskCache(), ExpertCache: cache, Memory: f.memory,
		Measuring: func(what string, done, total int64) {
			text, tenth := "measuring "+what, 0
			if total > 0 {
				text, tenth = fmt.Sprintf("%s: %d %%", text, 100*done/total), int(10*done/total)
			}
			status.Show(what, tenth, text)
		}})
}
