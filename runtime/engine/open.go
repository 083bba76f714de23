package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"st/format"
	"st/runtime/kernel"
)

// Open prepares the model in r for running: it checks that every tensor of the architecture is there and in shape, maps the file into memory, or
// reads what every token needs, and verifies the dense part. Experts are verified when they are first used. The reader stays the caller's, who
// closes it after the engine.
func Open(ctx context.Context, r *format.Reader, opts Options) (*Engine, error) {
	c := &r.Config
	if architectures[c.Architecture] == nil {
		return nil, fmt.Errorf("%s: architecture %q: %w (these are: %v)", r.Path(), c.Architecture, ErrUnsupported, Architectures())
	}
	if err := kernel.Err(); err != nil {
		return nil, err
	}
	if err := opts.KVType.check(c.HeadDim); err != nil {
		return nil, err
	}
	if err := opts.CheckExperts(r); err != nil {
		return nil, err
	}
	if err := opts.CheckPredictor(r); err != nil {
		return nil, err
	}
	e := newEngine(r, &opts)
	e.pool = newPool(e.Threads())
	e.pool.timeline.Store(opts.Timeline)
	e.clock.timeline, e.stats.timeline = opts.Timeline, opts.Timeline
	err := e.open(ctx, &opts)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		e.release()
		return nil, err
	}
	return e, nil
}

// newEngine sets what the shape of an engine follows from: it takes no memory to speak of.
func newEngine(r *format.Reader, opts *Options) *Engine {
	opts.setDefaults()
	c := opts.Config(&r.Config)
	e := &Engine{
		config: c, reader: r, kvType: opts.KVType, trace: opts.Trace, parallel: opts.Parallel, moe: make([]int, c.Layers),
		sessions: map[*Session]bool{}, uses: make([]atomic.Int64, c.ExpertCount()), closed: make(chan struct{}), preferCached: float32(opts.PreferCached),
		sparseBytes: sparseHeadBytes(r, opts),
	}
	e.threads.Store(int32(opts.Threads))
	for i, l := range c.MoELayers() {
		e.moe[l] = i
	}
	e.queue.arrived, e.queue.timer = make(chan struct{}, 1), time.NewTimer(time.Hour)
	e.queue.timer.Stop()
	e.setContext(opts.Context)
	return e
}

// setContext makes n tokens the longest sequence; 0: the model's.
func (e *Engine) setContext(n int) {
	if e.context = n; n <= 0 {
		e.context = e.config.Context
	}
	e.batch = min(maxBatch, e.context)
	e.kv = newKVLayout(e.config, e.kvType, e.context)
}

func (e *Engine) open(ctx context.Context, opts *Options) (err error) {
	if opts.Memory > 0 {
		err = e.openStreamed(ctx, opts)
	} else {
		err = e.openMapped(ctx)
	}
	if err != nil {
		return err
	}
	if err := e.openSparseHead(opts); err != nil {
		return e.explain(err)
	}
	working, _ := e.placePasses(nil, nil)
	if e.working, err = e.memory.newBlock(forWorking, working); err != nil {
		return err
	}
	e.placePasses(e.working.bytes(), e.streamed.batchMemory())
	return nil
}

// openMapped maps the file into memory.
func (e *Engine) openMapped(ctx context.Context) error {
	data, err := e.reader.Map()
	if err != nil {
		return err
	}
	e.pool.mapped = data
	e.dense = denseMemory{data: data}
	e.pages = e.readPages(ctx, data, tableEnd(e.reader))
	if err := e.bind(); err != nil {
		return err
	}
	if e.config.MoE != nil {
		e.store = newMappedStore(e.reader, data, e.pages == nil, e.pool, &e.stats)
	}
	return e.verifyDense(ctx)
}

func (e *Engine) bind() (err error) {
	if e.weights, e.arch, err = bind(e.reader, e.dense); err != nil {
		return fmt.Errorf("%s: %w", e.reader.Path(), err)
	}
	return nil
}

// openStreamed reads the dense part, and as many experts as fit in the rest of the budget when they are needed.
func (e *Engine) openStreamed(ctx context.Context, opts *Options) error {
	r := e.reader
	budget, err := e.divide(opts)
	if err != nil {
		return fmt.Errorf("%s: %w", r.Path(), err)
	}
	e.budget = budget
	f, direct, err := r.Direct()
	if err != nil {
		return err
	}
	e.direct, e.reads = direct, e.chooseReads(opts.Disk)
	if err := e.load(ctx, f, opts.Fallback); err != nil {
		f.Close()
		return err
	}
	if w := &e.weights.embed; w.bytes == nil {
		e.lookup = newRowReader(r, f, w.record, w.tensor)
	}
	if w := &e.weights.perLayer; w.tensor != nil && w.bytes == nil {
		e.perLayer = newRowReader(r, f, w.record, w.tensor)
	}
	if e.streamed == nil && e.stream == nil {
		e.file = f // the others close it when nothing reads it any more
	}
	if opts.Share > 0 {
		if _, err := e.SetShare(ctx, opts.Share); err != nil {
			return err
		}
	}
	if e.streamed == nil {
		return nil
	}
	e.store = e.streamed
	return e.warm(opts.Remembered)
}

// load reads what stays in memory from f, and makes what reads the rest of it: experts, or pieces of feed-forward networks.
func (e *Engine) load(ctx context.Context, f format.File, fallback func(threads int)) (err error) {
	if e.dense, err = loadDense(ctx, e.reader, f, e.pieces, e.pool, &e.memory); err != nil {
		return err
	}
	if err := e.bind(); err != nil {
		return err
	}
	if e.config.MoE != nil {
		if e.guesses, err = e.newGuessRouters(); err != nil {
			return fmt.Errorf("%s: %w", e.reader.Path(), err)
		}
		if err := e.openStore(f, fallback); err != nil {
			return err
		}
	}
	if e.pieces != nil {
		e.stream, err = e.newFFNStream(ctx, f)
	}
	return err
}

// warm begins to fill the store with the experts that were used most: by what the model's file has recorded, or else by what is remembered.
func (e *Engine) warm(remembered *format.Usage) error {
	known, err := e.reader.Usage()
	if err != nil {
		return err
	}
	if known == nil || known.Tokens == 0 {
		known = remembered
	}
	if known != nil && len(known.Uses) == len(e.uses) {
		e.known = known
	}
	e.streamed.warm(e.known)
	return nil
}

// openStore makes the store that reads experts.
func (e *Engine) openStore(f format.File, fallback func(threads int)) error {
	ring, err := openRing(f, e.reads.Depth)
	if err != nil {
		return err
	}
	e.streamed, err = e.newStreamedStore(f, ring)
	if err != nil {
		if ring != nil {
			ring.queue.Close()
		}
		return err
	}
	if fallback != nil {
		e.streamed.fallback = func() { fallback(e.Threads()) }
	}
	return nil
}

// verifyDense checks the dense records in the mapping, which brings them into memory, the largest first, so that all threads end together. An
// embedding table of which a token reads one row leaves the page tables again: the rest of it stays the system's, to be given up first.
func (e *Engine) verifyDense(ctx context.Context) error {
	resident, tables := denseRecords(e.reader, nil)
	tables = verifiedTables(e.reader, tables)
	records := slices.Concat(resident, tables)
	slices.SortStableFunc(records, func(a, b *format.Record) int { return cmp.Compare(b.Length, a.Length) })
	err := eachError(ctx, e.pool, len(records), func(i int) error {
		bytes := e.dense.record(records[i])
		err := e.reader.Check(records[i], bytes)
		if slices.Contains(tables, records[i]) {
			leave(bytes)
		}
		return err
	})
	return e.explain(err)
}

// explain names the file in an error about reading it from the mapping; other errors name it themselves.
func (e *Engine) explain(err error) error {
	if errors.Is(err, ErrFile) {
		return fmt.Errorf("%s: %w", e.reader.Path(), err)
	}
	return err
}
