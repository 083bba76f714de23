package engine

import (
	"st/format"
	"st/runtime/disk"
	"st/runtime/experts"
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
	// Remembered is how often experts were used in earlier runs, for a model whose file has no record of that. Within a Memory bound those used most are read
	// first. nil: nothing is known.
	Remembered *format.Usage
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

	mostLent *int64 // slots of a batch's memory that are lent to experts; nil: all. Tests, whose experts are small beside a batch, lend fewer.
}

// Readers is the number of threads that read experts where there is a memory bound and nothing is known of the disk.
const Readers = readers

func (o *Options) setDefaults() {
	if o.Threads <= 0 {
		o.Threads = PhysicalCores()
	}
	o.Parallel = max(1, o.Parallel)
}
