package main

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"strings"
	"sync"

	"st/convert"
	"st/format/outfile"
	"st/runtime"
	"st/runtime/selfcal"
)

// conversion is what a command makes of one file in another one, also with a model that calibrates itself.
type conversion struct {
	label         string // of the progress
	run           func(ctx context.Context, src, dst string, opts convert.Options) (*convert.Result, error)
	selfCalibrate func(ctx context.Context, src, dst string, opts selfcal.Options) (*selfcal.Result, error)
}

var (
	converting = conversion{"convert", convert.Run, selfcal.Convert}
	quantizing = conversion{"quantize", convert.Quantize, selfcal.Quantize}
)

// stageReport is a stage of a conversion whose model calibrates itself.
type stageReport struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"` // 0: it was done by a run that was interrupted
}

// runConversion converts as the flags say, and shows how far it is. There are stages if the model calibrates itself.
func (a *app) runConversion(ctx context.Context, c conversion, src, dst string, f *recipeFlags, opts convert.Options) (*convert.Result, []stageReport, error) {
	if f.selfCalibrated() {
		return a.selfCalibrate(ctx, c, src, dst, f, opts)
	}
	p := a.newProgress(c.label, "B")
	opts.Progress = p.update
	result, err := c.run(ctx, src, dst, opts)
	p.finish()
	if err == nil {
		removed, kept := selfcal.Clean(dst)
		a.noteLeftovers(removed)
		if len(kept) > 0 {
			a.note("note: an interrupted run with gptq has kept %s: the same command with gptq goes on with them; to give up, remove them",
				strings.Join(kept, ", "))
		}
	}
	return result, nil, err
}

func (a *app) selfCalibrate(ctx context.Context, c conversion, src, dst string, f *recipeFlags, opts convert.Options) (*convert.Result, []stageReport, error) {
	running := opts.Threads // 0: one per physical core
	if opts.Threads == 0 {
		opts.Threads = goruntime.GOMAXPROCS(0)
	}
	letReadBeside(opts.Threads)
	bars := stageBars{app: a, label: c.label}
	var noted sync.Once
	exceeded := func(bytes int64) {
		noted.Do(func() {
			a.note("note: the model needs %s of memory to run, and gets it: that is more than --memory %s", size(bytes), runtime.FormatBytes(f.memory))
		})
	}
	r, err := c.selfCalibrate(ctx, src, dst, selfcal.Options{Options: opts, RunThreads: running, Memory: f.memory, Exceeded: exceeded, Planned: a.notePlan,
		StageProgress: bars.update})
	bars.finish()
	if err != nil {
		if files := selfcal.Files(dst); len(files) > 0 && !errors.Is(err, outfile.ErrBusy) { // which would be another process's
			a.note("note: what was done is kept in %s: the same command goes on from there; to give up, remove them", strings.Join(files, ", "))
		}
		return nil, nil, err
	}
	var stages []stageReport
	for s, d := range r.Stages {
		if r.Calibrated {
			stages = append(stages, stageReport{selfcal.Stage(s).String(), d.Seconds()})
		}
	}
	return r.Result, stages, nil
}

// notePlan says what is going to happen, and what disk it takes.
func (a *app) notePlan(p selfcal.Plan) {
	if p.Outdated {
		a.note("note: what an interrupted run had left is of another source, version or options, or damaged: it is made anew")
	}
	if p.First > selfcal.Draft {
		a.note("note: an interrupted run goes on with stage %d of %d", p.First+1, selfcal.NumStages)
	}
	a.note("note: the model calibrates itself; the disk needs about %s: %s for the output, and until it is complete %s for a draft and %s for the calibration",
		size(p.OutputBytes+p.DraftBytes+p.CalibrationBytes), size(p.OutputBytes), size(p.DraftBytes), size(p.CalibrationBytes))
}

// stageBars shows how far each stage is, one after the other.
type stageBars struct {
	app   *app
	label string
	mu    sync.Mutex
	stage selfcal.Stage
	bar   *progress
}

func (b *stageBars) update(s selfcal.Stage, done, total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bar == nil || s != b.stage {
		b.bar.finish()
		unit := "B"
		if s == selfcal.Text || s == selfcal.Calibrate {
			unit = "tokens"
		}
		b.stage, b.bar = s, b.app.newProgress(fmt.Sprintf("%s %d/%d %s", b.label, s+1, selfcal.NumStages, s), unit)
		b.bar.begin(done) // the stage began earlier
	}
	b.bar.update(done, total)
}

func (b *stageBars) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bar.finish()
}
