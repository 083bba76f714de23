package runtime

import (
	"context"
	"errors"
	"fmt"
	"math"

	"st/format"
	"st/runtime/engine"
	"st/runtime/experts"
	"st/runtime/kernel"
)

// Options say how a model is run. The zero value is the default.
type Options struct {
	// Memory bounds what the process takes, in bytes: experts that do not fit are read from the file when they are needed. 0 means as
	// much as there is: the file is mapped into memory, unless the model needs more than the system or a control group allows; then
	// Open chooses a bound below that. [Model.Memory] tells what was chosen.
	//
	// With a bound, reads may return on threads of their own, which must not wait for one that computes. A program that names one should let
	// GOMAXPROCS be [ReadThreads] more than Threads if [Model.ReadMethod] is [ReadByThreads]: the package changes nothing of the process.
	Memory int64

	// Fallback, if not nil, is called when [Model.ReadMethod] becomes [ReadByThreads] because an io_uring failed, with the number of threads that compute. It
	// runs on a goroutine of its own.
	Fallback func(threads int)

	// Share, if not 0, is what of Memory the model may take at first: see [Model.SetShare].
	Share int64

	// Other is the part of Memory that the program is going to take besides the model, in bytes. What it takes when Open is called is
	// measured and need not be counted.
	Other int64

	// Program, if not 0, is what the process takes besides the model, in bytes, in place of what is measured. A program with several models, which come
	// and go, knows what of it belongs to them.
	Program int64

	// Steady says that the model does not look after what other programs need: it takes what Memory or Share says until [Model.LimitMemory] says otherwise.
	Steady bool

	// Context is the longest sequence, prompt and answer, in tokens. 0 means the length that the model was trained for, or what fits in
	// Memory if that is less.
	Context int

	// Parallel is how many sequences get a token in one pass, which reads the weights once for all of them; 0 means 1. Each takes some
	// working memory. Any number of texts may be generated at the same time: more than that take turns.
	Parallel int

	// Threads is the number of threads that compute. 0 means one per physical core, fast ones where there are two kinds, and no more than a quota of
	// processor time allows. [AutoThreads] measures which number is fastest.
	Threads int

	// ThreadCache is a directory in which the number that AutoThreads measured is remembered, for the model, the machine, and the processors that the
	// process may use. Empty: it is measured each time.
	ThreadCache string

	// DiskCache is a directory in which Open remembers how the disk of a file that is larger than Memory wants to be read, which it measures for half a
	// second at most when it sees a disk for the first time. Empty: nothing is measured, and four reads are in flight.
	DiskCache string

	// ExpertCache is a directory in which it is remembered which experts runs within a Memory bound used. The next run of the same file begins with those in
	// memory that were used most, unless the file has a record of its own: see [Model.RecordUsage]. Texts stay the same, unless PreferCached has them depend
	// on what is in memory. Close adds what the run counted, and [Model.KnownExperts] tells what was known. Empty: nothing is remembered.
	ExpertCache string

	// ExpertCacheReadOnly keeps Close from adding to ExpertCache, for runs that measure.
	ExpertCacheReadOnly bool

	// KVType is the number format of the KV cache.
	KVType KVType

	// ExpertsPerToken is how many experts a token uses in a layer that has experts, 1 to all of the layer's; 0 means as many as the model was
	// trained with. Their weights are normalised as the architecture does it.
	ExpertsPerToken int

	// PreferCached, 0 to 1, lets experts that are in memory stand in for others where Memory does not hold all: it is the share of a token's weight
	// that may move in a layer, from its lightest experts that are missing. It is for tokens that come one at a time; prompts are run as the router
	// says. The text depends on what is in memory then, and the same seed need not repeat it. 0 means that the router alone chooses.
	PreferCached float64

	// SparseHead, if not nil, computes only the rows of the language-model head whose predicted score is above this threshold, and 256 at least, for
	// texts that are generated; other tokens cannot be drawn. −∞ computes all rows. The whole head is computed for a text that asks for log
	// probabilities, that keeps to a grammar, or that favours tokens, and for logits that are asked for. A model without a predictor is refused with
	// [ErrNoPredictor]; [DefaultSparseHead] is what SmallThinker's predictors are used with.
	SparseHead *float64

	// Relieve, if not nil, is called when Memory has no room for a sequence that grows. It gives some back, such as that of a [Sequence]
	// that waits for its next use, and reports whether it did: then the sequence goes on, instead of ending with [ErrMemory]. It may wait for others, but
	// no longer than until ctx ends, which is that of the text.
	Relieve func(ctx context.Context) bool

	// Timeline, if not nil, records what threads and disk do in the last passes.
	Timeline *Timeline

	// Trace, if not nil, is told after every batch of tokens which experts they chose. The slices are valid until it returns. An error ends the run.
	Trace func(b experts.Batch) error
}

// DefaultSparseHead is the threshold for Options.SparseHead at which published measurements of SmallThinker's predictors find that the likeliest token is
// left out in 2 % of the cases. It is 13 % at 0, where PowerInfer puts it.
const DefaultSparseHead = -2

// checkFor reports an option that is out of range, or that the model of a file cannot have.
func (o *Options) checkFor(r *format.Reader) error {
	if err := o.check(); err != nil {
		return err
	}
	if err := (&engine.Options{ExpertsPerToken: o.ExpertsPerToken, PreferCached: o.PreferCached}).CheckExperts(r); errors.Is(err, ErrNoExperts) {
		return err
	} else if err != nil {
		return as(ErrOption, err)
	}
	return (&engine.Options{SparseHead: o.SparseHead}).CheckPredictor(r)
}

// check reports an option that is out of range: less than nothing, as a sum that went wrong may be, or more memory than any machine has.
func (o *Options) check() error {
	for _, f := range []struct {
		name            string
		value, min, max int64
	}{
		{"the memory budget", o.Memory, 0, math.MaxInt64},
		{"the context", int64(o.Context), 0, maxContext},
		{"the number of parallel sequences", int64(o.Parallel), 0, maxParallel},
		{"the number of threads", int64(o.Threads), AutoThreads, maxThreads},
	} {
		switch {
		case f.value > f.max:
			return as(ErrOption, fmt.Errorf("%s is %d: at most %d is supported", f.name, f.value, f.max))
		case f.value < f.min:
			return as(ErrOption, fmt.Errorf("%s is %d: it must be %d or more", f.name, f.value, f.min))
		}
	}
	if o.KVType > KVQ8 {
		return as(ErrOption, fmt.Errorf("KV cache type %d is unknown", uint8(o.KVType)))
	}
	return nil
}

const (
	maxContext  = 1 << 30 // as in a file
	maxParallel = 1 << 12
	maxThreads  = 1 << 12
)

// Timeline records what threads and disk do: see [NewTimeline].
type Timeline = engine.Timeline

// NewTimeline returns a timeline of the last passes, for Options.Timeline: a pass is a generated token, or a batch of a prompt's. Its Write method
// writes the trace-event JSON that Perfetto and Chrome open.
func NewTimeline(passes int) *Timeline { return engine.NewTimeline(passes) }

// ReadThreads is the number of threads that Options.Memory needs besides those that compute, where experts are read by threads.
const ReadThreads = engine.Readers + 1

// TraceShape returns the shape of what Options.Trace is told: the layers that have experts, counted from 0. A dense model has none.
func TraceShape(c *format.Config) experts.Shape { return engine.TraceShape(c) }

// KVType is the number format of the KV cache; see [ParseKVType].
type KVType = engine.KVType

// The types of KV cache. The zero value is the default, float16.
const (
	KVF16 = engine.KVF16
	KVF32 = engine.KVF32
	KVQ8  = engine.KVQ8
)

// ParseKVType returns the type of that name: f16, f32 or q8_0.
func ParseKVType(name string) (KVType, error) { return engine.ParseKVType(name) }

// ISA returns the name of the instruction set that the kernels use.
func ISA() string { return kernel.ISA() }

// CheckISA returns an error if the environment variable ST_ISA names an instruction set that is unknown or that this CPU does not have: what
// encodes weights then uses the best one. Open checks it itself.
func CheckISA() error {
	if err := kernel.Err(); err != nil {
		return as(ErrOption, err)
	}
	return nil
}
