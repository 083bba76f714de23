package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"st/format"
	"st/runtime/disk"
	"st/runtime/experts"
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
	// Parallel is how many sequences get a token in one pass, at most; 0 means 1. Any number of sessions may wait for their turn. Each takes some
	// working memory.
	Parallel int
	// Memory bounds what the process takes, in bytes: experts that do not fit are read from the file when they are needed. 0 means no bound: the
	// file is mapped into memory. Where [Engine.ReadMethod] is ReadByThreads, reads return on threads of their own, which must not wait for one that
	// computes: a process that names a bound should then have GOMAXPROCS at Threads + Readers + 1 or more.
	Memory int64
	// Fallback, if not nil, is called, on a goroutine of its own, when threads begin to read in place of an io_uring that failed, with the number of threads
	// that compute.
	Fallback func(threads int)
	// Share, if not 0, is what of Memory the model may take at first: see [Engine.SetShare].
	Share int64
	// Trace, if not nil, is told after every pass which experts its tokens chose, of the layers that have experts. The slices are valid until it
	// returns.
	Trace func(b experts.Batch) error
	// Timeline, if not nil, records what threads and disk do.
	Timeline *Timeline
	// Disk is what is known of the disk that the file lies on: within a Memory bound, as many reads are in flight as it wants. nil: as many as suit most.
	Disk *disk.Speeds
	// Other is the part of Memory that the process takes besides the engine.
	Other int64
	// ExpertsPerToken is how many experts a token uses in a layer that has experts; 0: as many as the model was trained with.
	ExpertsPerToken int
	// PreferCached is the share of a token's weight, 0 to 1, that may move from experts that are missing to others that are in memory, where Memory
	// does not hold all, and the token comes alone: see preference. What is computed then depends on what is in memory. 0: the router alone chooses.
	PreferCached float64
	// SparseHead, if not nil, is the threshold above which the predicted score of a row of the language-model head lets it be computed, for sessions
	// that ask for it: see [Session.SetSparseHead]. −∞ computes all rows. A model without a predictor is refused with [ErrNoPredictor].
	SparseHead *float64
}

// Readers is the number of threads that read experts where there is a memory bound and nothing is known of the disk.
const Readers = readers

func (o *Options) setDefaults() {
	if o.Threads <= 0 {
		o.Threads = PhysicalCores()
	}
	o.Parallel = max(1, o.Parallel)
}

// Engine runs one model, for any number of sessions. All methods may be called by several goroutines. Close it after use.
type Engine struct {
	config       *format.Config
	reader       *format.Reader
	threads      int
	context      int
	batch        int // tokens of a sequence that go through the layers together
	parallel     int // sequences that get a token in one pass
	kvType       KVType
	kv           *kvLayout
	preferCached float32     // Options.PreferCached
	sparseBytes  int64       // that sparseHead takes
	sparseHead   *sparseHead // nil: all rows of the head are computed
	moe          []int       // by layer: its number among those that have experts

	memory   memory
	dense    denseMemory
	pages    *pageReader // nil: the file's pages need nothing
	working  *block
	weights  *weights
	arch     architecture
	lookup   *rowReader // reads token embeddings; nil: they are in memory
	perLayer *rowReader // reads the layers' own embeddings; nil: there are none, or they are in memory
	store    store      // nil: the model has no experts
	streamed *streamedStore
	pieces   *ffnPieces // of the feed-forward networks of a dense model that do not all stay in memory; nil: they do
	stream   *ffnStream // what brings them
	budget   *Budget    // nil: none
	limit    limit
	direct   bool // reads go past the page cache
	reads    disk.Reads
	pool     *pool

	mu        sync.Mutex                  // held by a pass
	measuring bool                        // a pass is for measuring: it is no reason to mend pages
	trace     func(b experts.Batch) error // nil: none
	observer  Observer                    // nil: none
	activity  ExpertObserver              // nil: none
	pass      *pass                       // of segments of several tokens
	quick     *pass                       // of single tokens, which may run between two layers of the other; the same pass with one sequence at a time, unless the other's memory is lent
	clock     clock
	stats     counters
	uses      []atomic.Int64 // by expert: how many tokens chose it

	queue    queue
	sessions map[*Session]bool // guarded by queue
	kvMu     sync.Mutex        // held while the KV cache and the experts share out the memory
	closing  atomic.Bool
	closed   chan struct{}
}

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
	e.pool = newPool(e.threads)
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
		config: c, reader: r, threads: opts.Threads, kvType: opts.KVType, trace: opts.Trace, parallel: opts.Parallel, moe: make([]int, c.Layers),
		sessions: map[*Session]bool{}, uses: make([]atomic.Int64, c.ExpertCount()), closed: make(chan struct{}), preferCached: float32(opts.PreferCached),
		sparseBytes: sparseHeadBytes(r, opts),
	}
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

// placePasses makes the engine's passes, and returns how much memory they take. That of longer segments has its own if that is lent: batch. Without memory
// it only counts.
func (e *Engine) placePasses(working, batch []byte) (int64, int64) {
	a, b := &arena{data: working}, &arena{data: batch}
	shared := &sharedScratch{threads: make([]threadScratch, e.threads)}
	if e.parallel == 1 && !e.lends() {
		e.pass = newPass(e, e.batch, min(draftRows, e.batch), shared, a)
		e.quick = e.pass
		shared.placeHead(e.quick)
		return a.used, 0
	}
	rows := max(e.parallel, min(shortTokens, e.batch))
	e.quick = newPass(e, rows, rows, shared, a)
	shared.placeHead(e.quick)
	if s, ok := e.store.(*mappedStore); ok {
		e.quick.store = s.beside()
	}
	if e.lends() {
		e.pass = newPass(e, e.batch, 0, shared, b)
		return a.used, (b.used + format.Alignment - 1) / format.Alignment * format.Alignment
	}
	e.pass = newPass(e, e.batch, 0, shared, a)
	return a.used, 0
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
	budget, err := e.share(opts)
	if err != nil {
		return fmt.Errorf("%s: %w", r.Path(), err)
	}
	e.budget = budget
	f, direct, err := r.Direct()
	if err != nil {
		return err
	}
	e.direct, e.reads = direct, e.chooseReads(opts.Disk)
	if e.dense, err = loadDense(ctx, r, f, e.pieces, e.pool, &e.memory); err == nil {
		err = e.bind()
	}
	if err == nil && e.config.MoE != nil {
		if err = e.openStore(f); err == nil && opts.Fallback != nil {
			e.streamed.fallback = func() { opts.Fallback(e.threads) }
		}
	}
	if err == nil && e.pieces != nil {
		e.stream, err = newFFNStream(ctx, r, f, e.pieces, e.budget.FFN, e.reads.Depth, e.pool, &e.stats, &e.memory)
	}
	if err != nil {
		f.Close()
		return err
	}
	if w := &e.weights.embed; w.bytes == nil {
		e.lookup = newRowReader(r, f, w.record, w.tensor)
	}
	if w := &e.weights.perLayer; w.tensor != nil && w.bytes == nil {
		e.perLayer = newRowReader(r, f, w.record, w.tensor)
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
	usage, err := r.Usage()
	if err == nil {
		e.streamed.warm(usage)
	}
	return err
}

// openStore makes the store that reads experts.
func (e *Engine) openStore(f format.File) error {
	ring, err := openRing(f, e.reads.Depth)
	if err != nil {
		return err
	}
	e.streamed, err = newStreamedStore(e.reader, f, e.weights.experts, e.budget.space(), e.reads.Depth, ring, e.pool, &e.stats, &e.memory)
	if err != nil && ring != nil {
		ring.queue.Close()
	}
	return err
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

// Close ends the engine: a pass that runs ends between two layers, and all calls, those that wait and later ones, return [ErrClosed]. It gives the
// memory of all sessions back. Closing twice does nothing.
func (e *Engine) Close() error {
	if e.closing.Swap(true) {
		<-e.closed
		return nil
	}
	q := &e.queue
	q.Lock()
	for _, r := range slices.Clone(q.waiting) {
		if !r.inPass && r != q.leader {
			q.finish(r, ErrClosed)
		}
	}
	q.signal()
	sessions := e.sessions
	e.sessions = map[*Session]bool{}
	q.Unlock()
	e.stop()

	// A call that leads holds its session's turn and waits for the pass: the turns come first.
	for s := range sessions {
		s.turn <- struct{}{}
		e.kvMu.Lock()
		s.kv.shrink(0)
		e.kvMu.Unlock()
		s.length = 0
		<-s.turn
	}
	e.pages.close() // which waits for passes
	e.mu.Lock()
	defer e.mu.Unlock()
	e.release()
	close(e.closed)
	return nil
}

// stop ends what waits for the disk.
func (e *Engine) stop() {
	if e.store != nil {
		e.store.stop()
	}
	if e.stream != nil {
		e.stream.stop()
	}
	for _, r := range []*rowReader{e.lookup, e.perLayer} {
		if r != nil {
			r.close()
		}
	}
}

// release gives everything back that an engine took, opened in whole or in part.
func (e *Engine) release() {
	e.closing.Store(true)
	e.stop()
	e.pages.close()
	e.pool.close()
	if e.store != nil {
		e.store.close()
	}
	if e.stream != nil {
		e.stream.close()
	}
	e.dense.block.free()
	if e.sparseHead != nil {
		e.sparseHead.block.free()
	}
	e.working.free()
}

// reserve makes room for a sequence of n tokens: it takes the memory from the experts.
func (e *Engine) reserve(ctx context.Context, s *Session, n int) error {
	growth := s.kv.growth(n)
	if growth == 0 {
		return nil
	}
	e.kvMu.Lock()
	defer e.kvMu.Unlock()
	if b := e.budget; b != nil {
		kv := e.memory.taken[forKV].Load() + growth
		left := e.forExperts(kv)
		if least := b.SmallestExperts + b.SmallestFFN; left < least {
			what := "experts"
			if b.SmallestFFN > 0 {
				what = "feed-forward layers"
			}
			return fmt.Errorf("%s: %w: with a KV cache of %d bytes for all sequences, %d bytes are left for %s and %d are needed",
				e.reader.Path(), ErrMemory, kv, max(0, left), what, least)
		}
		if err := e.resizeStore(ctx, left); err != nil {
			return err
		}
	}
	return s.kv.grow(n)
}

// shrinkKV gives back what a sequence of n tokens does not need: to the experts.
func (e *Engine) shrinkKV(s *Session, n int) {
	e.kvMu.Lock()
	defer e.kvMu.Unlock()
	s.kv.shrink(n)
	if b := e.budget; b != nil && !e.closing.Load() {
		if e.limit.total.Load() > 0 || e.limit.share.Load() > 0 { // it may have to shrink, which waits for the end of a layer
			e.limit.changed.Store(true)
			return
		}
		_ = e.resizeStore(context.Background(), e.forExperts(e.memory.taken[forKV].Load())) // it grows, for which it waits for nothing, also while a pass runs
	}
}

func (e *Engine) resizeStore(ctx context.Context, bytes int64) error {
	if e.stream != nil {
		return e.stream.resize(ctx, bytes)
	}
	if e.streamed == nil {
		return nil
	}
	return e.streamed.resize(ctx, bytes)
}

// forget ends a session.
func (e *Engine) forget(s *Session) {
	e.queue.Lock()
	delete(e.sessions, s)
	e.queue.returns(s, false)
	e.queue.signal()
	e.queue.Unlock()
	e.shrinkKV(s, 0)
}

// Reader returns the file that the engine runs.
func (e *Engine) Reader() *format.Reader { return e.reader }

// Config returns the model's architecture.
func (e *Engine) Config() *format.Config { return e.config }

// Threads returns the number of threads that compute.
func (e *Engine) Threads() int { return e.threads }

// Context returns the longest sequence in tokens that a session holds.
func (e *Engine) Context() int { return e.context }

// Budget returns what the memory is for, or nil if it is not bounded.
func (e *Engine) Budget() *Budget { return e.budget }

// Reads tells how what is not in memory is read. The zero value: there is no bound, the file is mapped.
func (e *Engine) Reads() disk.Reads { return e.reads }

// DirectReads reports whether experts are read past the operating system's page cache, or dropped from it afterwards.
func (e *Engine) DirectReads() bool { return e.direct }

// The values of ReadMethod.
const (
	ReadByThreads = "threads"
	ReadByUring   = "io_uring"
)

// ReadMethod tells how what is not in memory is read: [ReadByThreads], which take processors besides those that compute, or [ReadByUring]; empty: the
// file is mapped. Threads replace an io_uring that fails.
func (e *Engine) ReadMethod() string {
	switch {
	case e.budget == nil:
		return ""
	case e.streamed != nil && e.streamed.hasRing():
		return ReadByUring
	}
	return ReadByThreads
}

// Usage returns how often experts were used since the engine was opened, by expert in the order of the file.
func (e *Engine) Usage() *format.Usage {
	u := &format.Usage{Tokens: e.stats.tokens.Load(), Uses: make([]int64, len(e.uses))}
	for i := range e.uses {
		u.Uses[i] = e.uses[i].Load()
		u.Tokens = max(u.Tokens, u.Uses[i]) // a pass that runs or failed is counted in some layers only
	}
	return u
}

// MemoryUse is what an engine takes outside Go's heap, by purpose, in bytes. A mapped file is not counted: its pages are the system's.
type MemoryUse struct {
	Dense   int64 // weights that every token reads
	Experts int64 // what experts, or the feed-forward layers of a dense model, are read into
	KV      int64 // KV caches of all sessions
	Working int64 // activations of a pass, but for what is lent to experts
}

// MemoryUse returns what the engine takes now.
func (e *Engine) MemoryUse() MemoryUse {
	t := &e.memory.taken
	experts, batch := t[forExperts].Load(), int64(0)
	if e.streamed != nil {
		experts, batch = e.streamed.memory()
	}
	return MemoryUse{t[forDense].Load(), experts, t[forKV].Load(), t[forWorking].Load() + batch}
}

// KVBytes returns the memory that the KV caches of all sessions take.
func (e *Engine) KVBytes() int64 { return e.memory.taken[forKV].Load() }
