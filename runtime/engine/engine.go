package engine

import (
	"context"
	"fmt"
	goruntime "runtime"
	"slices"
	"sync"

	"st/format"
	"st/runtime/kernel"
)

// Options say how an engine runs; the zero value is the default.
type Options struct {
	// Threads is the number of threads that compute; 0 means one per physical core.
	Threads int
	// KVType is the type of the KV cache.
	KVType KVType
	// Context is the longest sequence in tokens; 0 means the length that the model was trained for, or what fits in Memory.
	Context int
	// Memory bounds what the process takes, in bytes: experts that do not fit are read from the file when they are needed. 0
	// means no bound: the file is mapped into memory.
	Memory int64
	// Trace, if not nil, is told after every batch of n tokens which experts they chose: [layers, n, top-k]. The slice is valid
	// until it returns.
	Trace func(n int, experts []int32) error
	// Other is the part of Memory that the process takes besides the engine.
	Other int64
}

func (o *Options) setThreads() {
	if o.Threads <= 0 {
		o.Threads = PhysicalCores()
	}
}

// Engine runs one model. Close it after use.
type Engine struct {
	config   *format.Config
	reader   *format.Reader
	weights  *weights
	dense    denseMemory
	rows     *rowReader // reads token embeddings; nil: they are in memory
	store    store
	pool     *pool
	context  int
	batch    int // tokens that go through the layers together in prefill
	kvType   KVType
	trace    func(n int, experts []int32) error // nil: none
	observer Observer                           // nil: none
	activity ExpertObserver                     // nil: none
	budget   *Budget                            // nil: none
	streamed *streamedStore                     // store, if there is a budget
	direct   bool                               // reads go past the page cache
	kvBytes  int64                              // of all sessions
	uses     []int64                            // by expert: how many tokens chose it
	sessions int                                // that took their working memory

	mu    sync.Mutex // one forward pass at a time
	clock clock
	stats counters
}

// Open prepares the model in r for running: it checks that every tensor of the architecture is there and in shape, maps
// the file into memory and verifies the dense part. Experts are verified when they are first used. The reader stays the
// caller's, who closes it after the engine.
func Open(r *format.Reader, opts Options) (*Engine, error) {
	c := &r.Config
	if c.Architecture != "smallthinker" {
		return nil, fmt.Errorf("%s: architecture %q is not supported: this program runs smallthinker", r.Path(), c.Architecture)
	}
	opts.setThreads()
	if err := opts.KVType.check(c.HeadDim); err != nil {
		return nil, err
	}
	if err := kernel.Err(); err != nil {
		return nil, err
	}
	e := &Engine{config: c, reader: r, kvType: opts.KVType, trace: opts.Trace, batch: maxBatch, pool: newPool(opts.Threads)}
	open := e.openMapped
	if opts.Memory > 0 {
		open = e.openStreamed
	}
	if err := open(&opts); err != nil {
		e.pool.close()
		return nil, err
	}
	if e.context = opts.Context; e.context <= 0 {
		e.context = c.Context
	}
	e.batch = min(e.batch, e.context)
	e.uses = make([]int64, c.ExpertCount())
	goruntime.SetFinalizer(e, (*Engine).Close)
	return e, nil
}

// openMapped maps the file into memory.
func (e *Engine) openMapped(*Options) error {
	data, err := e.reader.Map()
	if err != nil {
		return err
	}
	e.dense = denseMemory{data: data}
	if e.weights, err = bind(e.reader, e.dense); err != nil {
		return fmt.Errorf("%s: %w", e.reader.Path(), err)
	}
	e.store = newMappedStore(e.reader, data, e.pool, &e.stats)
	return e.verifyDense(e.dense)
}

// openStreamed reads the dense part, and as many experts as fit in the rest of the budget when they are needed.
func (e *Engine) openStreamed(opts *Options) (err error) {
	r := e.reader
	if e.budget, err = newBudget(r, opts, e.pool.threads); err != nil {
		return fmt.Errorf("%s: %w", r.Path(), err)
	}
	// Reads return on threads of their own, which must not wait for a processor that computes.
	goruntime.GOMAXPROCS(max(goruntime.GOMAXPROCS(0), e.pool.threads+readers+1))
	f, direct, err := r.Direct()
	if err != nil {
		return err
	}
	e.direct = direct
	if e.dense, err = loadDense(r, f, e.pool); err != nil {
		f.Close()
		return err
	}
	fail := func(err error) error {
		e.dense.block.free()
		f.Close()
		return err
	}
	if e.weights, err = bind(r, e.dense); err != nil {
		return fail(fmt.Errorf("%s: %w", r.Path(), err))
	}
	if w := &e.weights.embed; w.bytes == nil {
		e.rows = newRowReader(r, f, w.record, w.tensor)
	}
	if e.streamed, err = newStreamedStore(r, f, e.weights.layers, int(e.budget.Experts/largestExpert(r)), &e.stats); err != nil {
		return fail(err)
	}
	e.store = e.streamed
	usage, err := r.Usage()
	if err != nil {
		e.streamed.close()
		e.dense.block.free()
		return err
	}
	e.streamed.warm(usage)
	return nil
}

// verifyDense checks the dense records. Those that every token reads are checked in the mapping, which brings them into
// memory; an embedding table of which a token reads one row is read past it, so that the rest of it takes no memory.
func (e *Engine) verifyDense(dense denseMemory) error {
	resident, lookup := denseRecords(e.reader)
	err := eachError(e.pool, len(resident)+1, func(i int) error {
		switch {
		case i < len(resident):
			return e.reader.Check(resident[i], dense.record(resident[i]))
		case lookup != nil:
			return e.reader.VerifyRecord(context.Background(), nil, lookup)
		}
		return nil
	})
	return e.explain(err)
}

// Close ends the engine's threads. Sessions must not be used afterwards.
func (e *Engine) Close() error {
	goruntime.SetFinalizer(e, nil)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pool.closed.Load() {
		return nil
	}
	e.pool.close()
	e.store.close()
	if e.rows != nil {
		e.rows.close()
	}
	if e.dense.block != nil {
		e.dense.block.free()
	}
	return nil
}

// reserve makes room for n bytes of KV cache and, the first time, for the working memory of a session: it takes them from the
// experts.
func (e *Engine) reserve(s *Session, n int64) error {
	if e.budget == nil {
		return nil
	}
	kv, sessions := e.kvBytes+n, e.sessions
	if !s.counted {
		sessions++
	}
	left := e.budget.Total - e.budget.fixed() - kv - int64(max(0, sessions-1))*e.budget.Working
	if left < e.budget.SmallestExperts {
		return fmt.Errorf("%s: %w: with %d sessions and a KV cache of %d bytes, %d bytes are left for experts and %d are needed",
			e.reader.Path(), ErrMemory, sessions, kv, left, e.budget.SmallestExperts)
	}
	e.streamed.shrink(int(left / e.streamed.slotSize))
	e.kvBytes, e.sessions, s.counted = kv, sessions, true
	return nil
}

// Reader returns the file that the engine runs.
func (e *Engine) Reader() *format.Reader { return e.reader }

// Config returns the model's architecture.
func (e *Engine) Config() *format.Config { return e.config }

// Threads returns the number of threads that compute.
func (e *Engine) Threads() int { return e.pool.threads }

// Context returns the longest sequence in tokens that a session holds.
func (e *Engine) Context() int { return e.context }

// Budget returns what the memory is for, or nil if it is not bounded.
func (e *Engine) Budget() *Budget { return e.budget }

// DirectReads reports whether experts are read past the operating system's page cache, or dropped from it afterwards.
func (e *Engine) DirectReads() bool { return e.direct }

// Usage returns how often experts were used since the engine was opened. It must not be called during a forward pass.
func (e *Engine) Usage() *format.Usage {
	// A batch that failed is counted in some layers only.
	return &format.Usage{Tokens: max(e.stats.tokens.Load(), slices.Max(e.uses)), Uses: slices.Clone(e.uses)}
}
