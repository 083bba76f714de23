package runtime

import (
	"context"
	"fmt"
	"os"
	goruntime "runtime"
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
	// Context is the longest sequence in tokens; 0 means the length that the model was trained for.
	Context int
}

// Engine runs one model. Close it after use.
type Engine struct {
	config  *format.Config
	reader  *format.Reader
	weights *weights
	store   *mappedStore
	pool    *pool
	context int
	kvType  KVType

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
	if opts.Threads <= 0 {
		opts.Threads = PhysicalCores()
	}
	if opts.Context <= 0 {
		opts.Context = c.Context
	}
	if err := opts.KVType.check(c.HeadDim); err != nil {
		return nil, err
	}
	if err := kernel.Select(os.Getenv("ST_ISA")); err != nil {
		return nil, fmt.Errorf("ST_ISA: %w", err)
	}
	e := &Engine{config: c, reader: r, context: opts.Context, kvType: opts.KVType}
	data, err := r.Map()
	if err != nil {
		return nil, err
	}
	if e.weights, err = bind(r, data); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Path(), err)
	}
	e.pool = newPool(opts.Threads)
	e.store = newMappedStore(r, data, e.pool, &e.stats)
	if err := e.verifyDense(data); err != nil {
		e.pool.close()
		return nil, err
	}
	goruntime.SetFinalizer(e, (*Engine).Close)
	return e, nil
}

// verifyDense checks the dense records. Those that every token reads are checked in the mapping, which brings them into
// memory; an embedding table of which a token reads one row is read past it, so that the rest of it takes no memory.
func (e *Engine) verifyDense(data []byte) error {
	records := e.reader.Records()
	errs := make([]error, len(records))
	lookup := &e.weights.embed
	err := e.pool.each(len(records), func(_, from, to int) {
		for i := from; i < to; i++ {
			switch rec := &records[i]; {
			case rec.IsExpert():
			case &rec.Tensors[0] == lookup.tensor && !lookup.isHead:
				errs[i] = e.reader.VerifyRecord(context.Background(), rec)
			default:
				errs[i] = e.reader.Check(rec, data[rec.Offset:])
			}
		}
	})
	if err != nil {
		return fmt.Errorf("%s: %w", e.reader.Path(), err)
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Close ends the engine's threads. Sessions must not be used afterwards.
func (e *Engine) Close() error {
	goruntime.SetFinalizer(e, nil)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pool.close()
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
