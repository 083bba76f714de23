package main

import (
	"context"
	"fmt"
	"runtime/debug"

	"st/format"
	"st/format/outfile"
	"st/runtime"
	"st/runtime/experts"
)

// model is a model that runs, and what a command writes down about it.
type model struct {
	*runtime.Model
	trace  *experts.TraceFile // nil: none is written
	times  *outfile.File      // nil: no timeline is written
	line   *runtime.Timeline  // that is
	record bool               // in the file which experts were used
	heap   int64              // the bound of Go's memory before this run; 0: it was not changed
	note   func(format string, args ...any)
}

// openModel opens a file and prepares it for running. A longer context than the model was trained for is allowed, with a note.
func (a *app) openModel(ctx context.Context, path string, opts engineFlags) (_ *model, err error) {
	r, err := format.Open(path)
	if err != nil {
		return nil, err
	}
	c := &r.Config
	m := &model{record: opts.record, note: a.note}
	defer func() {
		if err != nil && m.trace != nil {
			m.trace.Abort()
		}
		if err != nil && m.times != nil {
			m.times.Abort()
		}
	}()
	if err := m.prepare(r, &opts); err != nil {
		r.Close()
		return nil, err
	}
	if m.trace != nil {
		a.noteLeftovers(m.trace.Leftovers())
	}
	if m.times != nil {
		a.noteLeftovers(m.times.Leftovers())
	}
	if opts.Context > c.Context {
		a.note("note: a context of %d tokens is more than the %d that the model was trained for", opts.Context, c.Context)
	}
	opts.Fallback = letReadBeside
	if m.Model, err = runtime.New(ctx, r, opts.Options); err != nil {
		return nil, err
	}
	if note := memoryNote(path, m.Memory(), opts.auto); note != "" {
		a.note("%s", note)
	}
	if opts.PreferCached > 0 && m.Memory().Budget == 0 {
		a.note("note: --prefer-cached has no effect without a --memory that is less than the model needs: all experts are in memory")
	}
	letRead(m.Model)
	m.boundGarbage()
	if n := m.Context(); opts.Context == 0 && n < c.Context {
		a.note("note: the context is %d tokens instead of %d, whose KV cache would not fit: give more --memory, or a --kv-type that takes less",
			n, c.Context)
	}
	return m, nil
}

// prepare completes the options with what the file says, and begins a trace.
func (m *model) prepare(r *format.Reader, opts *engineFlags) (err error) {
	if opts.window > 0 {
		opts.Context = min(opts.window, r.Config.Context)
	}
	opts.Other = runtime.TextMemory(opts.text)
	opts.ThreadCache, opts.DiskCache = threadCache(), diskCache()
	if opts.learn > noLearning {
		if opts.ExpertCache, err = expertCache(); err != nil {
			return err
		}
		opts.ExpertCacheReadOnly = opts.learn < fullLearning
	}
	if opts.other != nil {
		opts.Other += opts.other(&r.Config)
	}
	if (opts.record || opts.trace != "") && r.Config.MoE == nil {
		return fmt.Errorf("%s: %w", r.Path(), runtime.ErrNoExperts)
	}
	if opts.record {
		if err := r.CheckRecordUsage(); err != nil {
			return err
		}
	}
	if opts.trace != "" {
		shape := runtime.TraceShape(&r.Config)
		if opts.ExpertsPerToken > 0 {
			shape.TopK = opts.ExpertsPerToken
		}
		if m.trace, err = experts.CreateTrace(opts.trace, shape, opts.outputs(r.Path())); err != nil {
			return err
		}
		opts.Trace = m.trace.Batch
	}
	if opts.times == "" && opts.passes > 1 {
		return usagef("--timeline-tokens needs a --timeline FILE to write to")
	}
	if opts.times != "" {
		if sameName(opts.times, opts.trace) {
			return usagef("--timeline and --trace name the same file")
		}
		if m.times, err = outfile.Create(opts.times, opts.outputs(r.Path())); err != nil {
			return err
		}
		m.line = runtime.NewTimeline(opts.passes)
		opts.Timeline = m.line
	}
	return nil
}

// closeTimeline writes the timeline, if anything has run.
func (m *model) closeTimeline() error {
	defer m.times.Abort()
	if m.line.Passes() == 0 {
		return nil
	}
	if err := m.line.Write(m.times); err != nil {
		return err
	}
	return m.times.Commit()
}

// boundGarbage keeps Go's memory within what the budget has for it: without a bound it may become twice as large as what is in use.
func (m *model) boundGarbage() {
	if b := m.Engine().Budget(); b != nil {
		m.heap = debug.SetMemoryLimit(b.Other + b.Reserve/2)
	}
}

// openFile opens the file that an argument means.
func (a *app) openFile(arg string) (*format.Reader, error) {
	path, err := a.locate(arg)
	if err != nil {
		return nil, err
	}
	return format.Open(path)
}

// openTextModel is openModel for commands that cannot do without a tokenizer.
func (a *app) openTextModel(ctx context.Context, path string, opts engineFlags) (*model, error) {
	m, err := a.openModel(ctx, path, opts)
	if err == nil && m.Tokenizer() == nil {
		m.close(new(error))
		return nil, fmt.Errorf("%s: %w", path, runtime.ErrNoTokenizer)
	}
	return m, err
}

// close ends a run and completes what it wrote down. err becomes the error of that, unless it is one already.
func (m *model) close(err *error) {
	keep := func(e error) {
		if *err == nil {
			*err = e
		}
	}
	if m.record {
		path, tokens, e := m.RecordUsage()
		if keep(e); e == nil && tokens > 0 {
			m.note("note: recorded in %s which experts %s used", path, plural(int(tokens), "token"))
		}
	}
	m.Model.Close()
	if m.heap > 0 {
		debug.SetMemoryLimit(m.heap)
	}
	if m.trace != nil {
		keep(m.trace.Close())
	}
	if m.times != nil {
		keep(m.closeTimeline())
	}
}
