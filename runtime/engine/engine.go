package engine

import (
	"sync"
	"sync/atomic"

	"st/format"
	"st/runtime/disk"
	"st/runtime/experts"
)

// Engine runs one model, for any number of sessions. All methods may be called by several goroutines. Close it after use.
type Engine struct {
	config       *format.Config
	reader       *format.Reader
	threads      atomic.Int32 // which MeasureThreads changes
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
	guesses  *guessRouters // nil: no layer is foreseen
	pieces   *ffnPieces    // of the feed-forward networks of a dense model that do not all stay in memory; nil: they do
	stream   *ffnStream    // what brings them
	budget   *Budget       // nil: none
	limit    limit
	direct   bool // reads go past the page cache
	reads    disk.Reads
	file     format.File // of a model within a budget that is read for rows of embeddings alone; nil: store or stream close theirs
	pool     *pool

	mu        sync.Mutex                  // held by a pass
	measuring bool                        // a pass is for measuring: it is no reason to mend pages
	trace     func(b experts.Batch) error // nil: none
	observer  Observer                    // nil: none
	activity  ExpertObserver              // nil: none
	pass      *pass                       // of segments of several tokens
	// Of single tokens, which may run between two layers of pass. With one sequence at a time it is pass, unless that one's memory is lent.
	quick *pass
	clock clock
	stats counters
	uses  []atomic.Int64 // by expert: how many tokens chose it
	known *format.Usage  // what that was in earlier runs; nil: it is not known, or all experts are mapped

	queue    queue
	sessions map[*Session]bool // guarded by queue
	kvMu     sync.Mutex        // held while the KV cache and the experts share out the memory
	closing  atomic.Bool
	closed   chan struct{}
}

// Reader returns the file that the engine runs.
func (e *Engine) Reader() *format.Reader { return e.reader }

// Config returns the model's architecture.
func (e *Engine) Config() *format.Config { return e.config }

// Threads returns the number of threads that compute.
func (e *Engine) Threads() int { return int(e.threads.Load()) }

// Context returns the longest sequence in tokens that a session holds.
func (e *Engine) Context() int { return e.context }

// Budget returns what the memory is for, or nil if it is not bounded.
func (e *Engine) Budget() *Budget { return e.budget }

// Reads tells how what is not in memory is read. The zero value: there is no bound, the file is mapped.
func (e *Engine) Reads() disk.Reads { return e.reads }

// DirectReads reports whether experts are read past the operating system's page cache.
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

// Known returns how often experts were used in earlier runs, as far as that was known when the engine was opened: what the model's file has recorded, or
// else Options.Remembered. nil: nothing was known, or all experts are mapped into memory.
func (e *Engine) Known() *format.Usage { return e.known }

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
