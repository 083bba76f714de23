package runtime

import (
	"cmp"
	"context"
	"fmt"
	goruntime "runtime"
	"sync"
	"time"

	"st/format"
	"st/runtime/engine"
	"st/tokenizer"
)

// Open opens a model file and prepares it for running.
func Open(ctx context.Context, path string, opts Options) (*Model, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r, err := format.Open(path)
	if err != nil {
		return nil, err
	}
	return New(ctx, r, opts)
}

// New prepares a file for running that is open already. The model closes it, also when New fails.
func New(ctx context.Context, r *format.Reader, opts Options) (m *Model, err error) {
	defer func() {
		if err != nil {
			r.Close()
		}
	}()
	if err := opts.checkFor(r); err != nil {
		return nil, err
	}
	begin := time.Now()
	threads := chooseThreads(r, &opts)
	m = newModel(r, &opts)
	// The tokenizer is built while the weights are checked.
	tokenizer := loadTokenizer(r)
	engineOpts, err := m.engineOptions(ctx, &opts, tokenizer)
	if err != nil {
		return nil, err
	}
	if err := m.openEngine(ctx, engineOpts, tokenizer); err != nil {
		return nil, err
	}
	m.end, m.infill = endTokens(r, m.tok), findInfill(m.tok, r.Config.Vocab)
	if err := threads.run(ctx, m); err != nil {
		m.engine.Close()
		return nil, err
	}
	if streamed(r, engineOpts) && !opts.Steady {
		m.breathe()
	}
	m.loadTime = time.Since(begin)
	m.cleanup = goruntime.AddCleanup(m, func(r *resources) { r.close() }, m.resources)
	return m, nil
}

// newModel returns a model without an engine: what is derived from its file and tokenizer when it is first asked for.
func newModel(r *format.Reader, opts *Options) *Model {
	m := &Model{resources: &resources{file: r}, kvType: opts.KVType, relieve: opts.Relieve}
	m.template = sync.OnceValues(m.parseTemplate)
	m.grammars = newGrammars(sync.OnceValue(m.newVocabulary))
	m.dialect = sync.OnceValue(m.findDialect)
	m.longest = sync.OnceValue(m.longestToken)
	if opts.ExpertsPerToken > 0 && opts.ExpertsPerToken != r.Config.TopK() || opts.PreferCached > 0 {
		m.routing = fmt.Sprintf("%d experts, %g preferred", opts.ExpertsPerToken, opts.PreferCached)
	}
	return m
}

// engineOptions returns what the engine is told: how much memory it has, which it chooses if the model does not fit, and what is known of the disk and of
// experts' uses. Within a bound it waits for the tokenizer: what that takes is not left for experts.
func (m *Model) engineOptions(ctx context.Context, opts *Options, tokenizer tokenizerLoader) (o engine.Options, err error) {
	r := m.file
	speeds := learnDisk(ctx, r, opts, opts.Memory)
	other := otherMemory(opts, r, false)
	if opts.Memory > 0 {
		if _, err := tokenizer(); err != nil {
			return o, err
		}
		speeds() // what it takes it has given back
		other = otherMemory(opts, r, true)
	}
	o = engine.Options{
		Threads: opts.Threads, KVType: opts.KVType, Context: opts.Context, Parallel: opts.Parallel,
		Memory: opts.Memory, Share: opts.Share, Fallback: opts.Fallback, Other: other, Trace: opts.Trace, Timeline: opts.Timeline,
		ExpertsPerToken: opts.ExpertsPerToken, PreferCached: opts.PreferCached, SparseHead: opts.SparseHead,
	}
	allowed, source := engine.AllowedMemory()
	o.Other = max(other, leastOther(r, opts.Other))
	m.memory = chooseMemory(r, &o, allowed, source)
	o.Other = other
	if m.memory.Chosen {
		if _, err := tokenizer(); err != nil {
			return o, err
		}
		speeds = learnDisk(ctx, r, opts, m.memory.Budget)
		speeds()
		o.Other = otherMemory(opts, r, true)
	}
	if o.Memory > 0 { // the tokenizer is there
		if err := m.memory.check(r, o, opts.Other); err != nil {
			return o, err
		}
	}
	o.Disk = speeds()
	if streamed(r, o) {
		o.Remembered = m.remember(opts)
	}
	return o, nil
}

// streamed reports whether experts are read within a bound of memory.
func streamed(r *format.Reader, o engine.Options) bool { return o.Memory > 0 && r.Config.MoE != nil }

// openEngine opens the engine while the tokenizer may still be built. The tokenizer's error comes first, as it would if nothing ran beside it.
func (m *Model) openEngine(ctx context.Context, o engine.Options, tokenizer tokenizerLoader) error {
	var err error
	m.engine, err = engine.Open(ctx, m.file, o)
	err = m.memory.explain(err)
	tok, bad := tokenizer() // also after an error: the file is not closed while it is read
	if bad != nil && m.engine != nil {
		m.engine.Close()
	}
	m.tok = tok
	return cmp.Or(bad, err)
}

// tokenizerLoader waits for the tokenizer of a file, which is being built; nil: the file has none.
type tokenizerLoader func() (*tokenizer.Tokenizer, error)

// loadTokenizer begins to build the tokenizer of a file.
func loadTokenizer(r *format.Reader) tokenizerLoader {
	if len(r.Tokenizer) == 0 {
		return func() (*tokenizer.Tokenizer, error) { return nil, nil }
	}
	load := sync.OnceValues(func() (*tokenizer.Tokenizer, error) {
		tok, err := tokenizer.Load(r.Tokenizer)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.Path(), err)
		}
		return tok, nil
	})
	go load()
	return load
}
