package main

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	goruntime "runtime"
	"runtime/debug"
	"strconv"
	"sync"

	"github.com/spf13/pflag"

	"st/format"
	"st/format/outfile"
	"st/runtime"
	"st/runtime/experts"
)

// engineFlags say how a model is run.
type engineFlags struct {
	runtime.Options
	auto   bool                         // the choice of the memory is told
	trace  string                       // file
	times  string                       // file of the timeline
	passes int                          // of the timeline
	force  bool                         // files that are written replace others
	inputs []string                     // files that the command reads, which are never replaced
	record bool                         // which experts are used
	learn  learning                     // from run to run, which experts are used
	window int                          // the longest sequence that is needed; 0: that is not known
	text   int                          // bytes of the text that is run
	other  func(c *format.Config) int64 // memory that the command takes besides the model and the text; nil: none
}

// learning says what a command has to do with the experts that are remembered from run to run.
type learning uint8

const (
	noLearning   learning = iota // what it reports must not depend on earlier runs
	useLearning                  // it runs as others do, and does not change how they run
	fullLearning                 // it adds to them
)

func (f *engineFlags) add(flags *pflag.FlagSet) {
	addKVTypeFlag(flags, &f.KVType)
	addMemoryFlag(flags, &f.Memory, &f.auto)
	addAutoThreadsFlag(flags, &f.Threads)
	addRoutingFlags(flags, &f.ExpertsPerToken, &f.PreferCached)
	flags.BoolVar(&f.record, "record-experts", false, "count in the model's file which experts are used: what --memory keeps first")
	f.passes = 1
	flags.Var(fileFlag{&f.times}, "timeline", "write to `file` what threads and disk do in the last token: trace events for Perfetto and Chrome")
	flags.Var(intFlag{&f.passes, 1, 1000}, "timeline-tokens", "the last `N` tokens in the --timeline")
	flags.Var(fileFlag{&f.trace}, "trace", "write to `file` which experts every token chose, for st inspect --cache-plan")
	flags.BoolVar(&f.force, "force", false, "replace files that exist with what is written")
}

// outputs are how the command's files are written beside a model at path.
func (f *engineFlags) outputs(path string) outfile.Options {
	return outfile.Options{Replace: f.force, Inputs: append([]string{path}, f.inputs...)}
}

// checkName refuses a file that another flag names, if the trace or the timeline has the same name.
func (f *engineFlags) checkName(flag, path string) error {
	switch {
	case sameName(path, f.trace):
		return usagef("%s and --trace name the same file", flag)
	case sameName(path, f.times):
		return usagef("%s and --timeline name the same file", flag)
	}
	return nil
}

// checkForce refuses --force where nothing is written.
func (f *engineFlags) checkForce() error {
	if f.force && f.trace == "" && f.times == "" {
		return usagef("--force is for --trace and --timeline: no other file is refused because it exists")
	}
	return nil
}

func addKVTypeFlag(flags *pflag.FlagSet, t *runtime.KVType) {
	flags.Var(parsedFlag[runtime.KVType]{t, runtime.ParseKVType}, "kv-type", "`type` of the KV cache: f16, f32 or q8_0")
}

func addLookupFlag(flags *pflag.FlagSet, l *runtime.Lookup) {
	flags.Var(parsedFlag[runtime.Lookup]{l, runtime.ParseLookup}, "lookup", "guess up to `N` tokens from what the text says already; auto: where it is faster; off: none")
}

// addRoutingFlags adds the flags that change which experts a token uses.
func addRoutingFlags(flags *pflag.FlagSet, experts *int, prefer *float64) {
	flags.Var(intFlag{experts, 0, math.MaxInt32}, "experts-per-token", "use `K` experts for a token in a layer; 0: as many as the model was trained with")
	flags.Var(floatFlag{prefer, 0, 1}, "prefer-cached", "with --memory, let experts in memory stand in for others that carry up to `S` of a token's weight, 0 to 1")
}

func addSparseHeadFlag(flags *pflag.FlagSet, threshold **float64) {
	flags.Var(thresholdFlag{threshold}, "sparse-head", "compute the rows of the language-model head that the model's predictor gives more than `T` (-2 without T; -inf: all rows)")
	flags.Lookup("sparse-head").NoOptDefVal = strconv.Itoa(runtime.DefaultSparseHead)
}

// thresholdFlag is a flag that takes a number, or −∞.
type thresholdFlag struct{ value **float64 }

func (f thresholdFlag) String() string {
	if f.value == nil || *f.value == nil {
		return ""
	}
	return strconv.FormatFloat(**f.value, 'g', -1, 64)
}

func (f thresholdFlag) Type() string { return "T" }

func (f thresholdFlag) Set(s string) error {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) {
		return fmt.Errorf("%q is no number", s)
	}
	*f.value = &v
	return nil
}

func addMemoryFlag(flags *pflag.FlagSet, bytes *int64, auto *bool) {
	flags.Var(memoryFlag{bytes, auto}, "memory", "`SIZE` of memory for everything; experts that do not fit are read when needed. auto: what the system allows, and say how much")
}

// memoryFlag is a flag that takes a number of bytes, or auto, which is as if it were not given but for a note.
type memoryFlag struct {
	value *int64
	auto  *bool
}

func (f memoryFlag) String() string { return sizeFlag{f.value}.String() }
func (f memoryFlag) Type() string   { return "SIZE" }

func (f memoryFlag) Set(s string) error {
	if *f.auto = s == "auto"; *f.auto {
		*f.value = 0
		return nil
	}
	err := sizeFlag{f.value}.Set(s)
	if err == errSize {
		err = fmt.Errorf("%w, or auto", errSize)
	}
	return err
}

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

// memoryNote says if a budget was chosen, or is more than the system allows.
func memoryNote(path string, m runtime.Memory, auto bool) string {
	switch {
	case m.Unmapped:
		return fmt.Sprintf("note: the file system does not map %s into memory: reading it, as with --memory %dMiB", filepath.Base(path), m.Budget>>20)
	case m.Chosen:
		note := fmt.Sprintf("note: %s needs %s, and %s allows %s: running as with --memory %dMiB", filepath.Base(path), size(m.Needed), m.Source,
			size(m.Allowed), m.Budget>>20)
		if auto {
			note += ", less while other programs need memory"
		}
		return note
	case auto && m.Allowed == 0:
		return fmt.Sprintf("note: %s needs %s, and how much there is is not known: no bound, the file is mapped into memory", filepath.Base(path), size(m.Needed))
	case auto:
		return fmt.Sprintf("note: %s needs %s, and %s allows %s: no bound, the file is mapped into memory", filepath.Base(path), size(m.Needed), m.Source, size(m.Allowed))
	case m.Exceeds():
		return fmt.Sprintf("note: --memory %s is more than %s allows, %s: the system may end the program", runtime.FormatBytes(m.Budget), m.Source, size(m.Allowed))
	}
	return ""
}

// letRead lets the threads on which reads return have processors besides those that compute.
func letRead(m *runtime.Model) {
	if m.Memory().Budget > 0 && m.ReadMethod() == runtime.ReadByThreads {
		letReadBeside(m.Threads())
	}
}

// letReadBeside is letRead for so many threads that compute. Models of a server call it at the same time.
func letReadBeside(threads int) {
	processors.Lock()
	defer processors.Unlock()
	goruntime.GOMAXPROCS(max(goruntime.GOMAXPROCS(0), threads+runtime.ReadThreads))
}

// processors is held while GOMAXPROCS changes.
var processors sync.Mutex

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
