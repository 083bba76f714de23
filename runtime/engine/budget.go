package engine

import (
	"cmp"
	"errors"
	"fmt"

	"strings"

	"github.com/dustin/go-humanize"

	"st/format"
)

// ErrMemory is wrapped by errors about a memory budget that is too small.
var ErrMemory = errors.New("the memory budget is too small")

// Budget tells what the memory of a process that runs a model is for, in bytes.
type Budget struct {
	// Total is what the user named.
	Total int64 `json:"total"`
	// Other is what the process takes besides the engine: the program, the tokenizer.
	Other int64 `json:"other"`
	// Dense are the weights that every token reads.
	Dense int64 `json:"dense"`
	// Working is the working memory of a session, and Reserve what is left for the operating system and for garbage.
	Working int64 `json:"working"`
	Reserve int64 `json:"reserve"`
	// KV is the KV cache of a whole context. It grows as the sequence does, and takes its memory from the experts.
	KV int64 `json:"kv_cache"`
	// Experts is what is left for experts while the KV cache is empty.
	Experts int64 `json:"experts"`
	// SmallestExperts is the least that works: what a token needs in a layer, twice, so that the next can be fetched.
	SmallestExperts int64 `json:"smallest_experts"`
}

// Smallest returns the smallest total that works for the same context.
func (b *Budget) Smallest() int64 { return b.totalFor(b.SmallestExperts) }

// totalFor returns the smallest total that leaves so many bytes for experts beside a full KV cache.
func (b *Budget) totalFor(experts int64) int64 {
	n := b.Other + b.Dense + b.Working + b.KV + experts
	return (n+reserveBytes)*reserveShare/(reserveShare-1) + 1
}

// What is left for the operating system and for garbage: some, and a share of the total.
const (
	reserveBytes = 16 << 20
	reserveShare = 100
)

func (b *Budget) fixed() int64 { return b.Other + b.Dense + b.Working + b.Reserve }

func (b *Budget) String() string {
	var parts []string
	for _, p := range []struct {
		name  string
		bytes int64
	}{{"dense weights", b.Dense}, {"KV cache", b.KV}, {"working memory", b.Working}, {"program and tokenizer", b.Other},
		{"reserve", b.Reserve}, {"experts", b.SmallestExperts}} {
		if p.bytes > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", p.name, humanize.IBytes(uint64(p.bytes))))
		}
	}
	return strings.Join(parts, ", ")
}

// minContext is the context below which a budget is refused, unless the user asks for less.
const minContext = 512

// NewBudget shares out opts.Memory. A context that is not asked for is cut to what fits. If the memory is too small, the error
// wraps [ErrMemory], and the budget tells what it would take.
func NewBudget(r *format.Reader, opts Options) (*Budget, error) {
	opts.setThreads()
	return newBudget(r, &opts, opts.Threads)
}

func newBudget(r *format.Reader, opts *Options, threads int) (*Budget, error) {
	c := &r.Config
	slot := largestExpert(r)
	batch := min(maxBatch, cmp.Or(opts.Context, c.Context))
	b := &Budget{
		Total: opts.Memory, Other: opts.Other, Dense: denseBytes(r), Working: workingBytes(c, opts.KVType, batch, threads) + lookupBytes(r, batch),
		Reserve: reserveBytes + opts.Memory/reserveShare, SmallestExperts: int64(min(2*c.MoE.ExpertsPerToken, c.MoE.Experts*c.Layers)) * slot,
	}
	context := opts.Context
	if context <= 0 {
		context = c.Context
		for context > minContext && b.fixed()+kvBytes(c, opts.KVType, context)+b.SmallestExperts > b.Total {
			context = max(minContext, (context-1)/kvPagePositions*kvPagePositions)
		}
		opts.Context = context
	}
	b.KV = kvBytes(c, opts.KVType, context)
	if b.fixed()+b.KV+b.SmallestExperts > b.Total {
		least := *b
		least.Reserve = least.Smallest() - b.Smallest() + b.Reserve
		return b, fmt.Errorf("%w: %s; this model needs %s with a context of %s (%s)", ErrMemory, humanize.IBytes(uint64(b.Total)),
			mebibytes(least.Smallest()), humanize.Comma(int64(context)), &least)
	}
	b.Experts = (b.Total - b.fixed()) / slot * slot
	b.Experts = min(b.Experts, slot*int64(c.ExpertCount()))
	return b, nil
}

// SmallestMemory returns the smallest opts.Memory that works, and the context that it works for: what is left of the model's if none
// was asked for.
func SmallestMemory(r *format.Reader, opts Options) (bytes int64, context int) {
	opts.setThreads()
	opts.Memory = 0
	b, _ := newBudget(r, &opts, opts.Threads)
	return b.Smallest(), opts.Context
}

// MemoryFor returns the smallest opts.Memory in which n experts stay, however long the sequence grows.
func MemoryFor(r *format.Reader, opts Options, n int) int64 {
	opts.Memory = 0
	b, _ := NewBudget(r, opts)
	return b.totalFor(max(b.SmallestExperts, int64(n)*largestExpert(r)))
}

// NeededMemory returns the memory in which a model runs without streaming: all weights, and a session with a KV cache of the context, or
// of 4096 tokens if that is shorter.
func NeededMemory(r *format.Reader, opts Options) int64 {
	opts.setThreads()
	c := &r.Config
	context := cmp.Or(opts.Context, c.Context)
	n := opts.Other + denseBytes(r) + kvBytes(c, opts.KVType, min(context, 4096)) + workingBytes(c, opts.KVType, min(maxBatch, context), opts.Threads)
	for i := range r.Records() {
		if rec := &r.Records()[i]; rec.IsExpert() {
			n += rec.Length
		}
	}
	return n + reserveBytes
}

// lookupBytes returns the memory that reading the rows of a batch of tokens takes, where the embedding table is not kept.
func lookupBytes(r *format.Reader, batch int) int64 {
	_, isHead := headName(r)
	_, t, ok := r.Lookup(embedName)
	if !ok || isHead {
		return 0
	}
	return int64(batch) * rowBytes(t)
}

// mebibytes rounds up, so that what it says is enough.
func mebibytes(n int64) string { return fmt.Sprintf("%dMiB", (n+(1<<20)-1)>>20) }

// largestExpert returns the length of the longest expert record.
func largestExpert(r *format.Reader) (n int64) {
	for i := range r.Records() {
		if rec := &r.Records()[i]; rec.IsExpert() {
			n = max(n, rec.Length)
		}
	}
	return n
}

// kvBytes returns the size of the KV cache of a whole context.
func kvBytes(c *format.Config, t KVType, context int) (n int64) {
	row := int64(t.quant().RowBytes(c.HeadDim))
	for l := range c.Layers {
		slots := context
		if w := c.Window(l); w > 0 {
			slots = min(slots, w)
		}
		n += 2 * int64(c.KVHeads) * int64(slots) * row
	}
	return n
}

// workingBytes returns about the memory that a session takes besides its KV cache, and the pool's threads with it. Compare
// NewSession.
func workingBytes(c *format.Config, t KVType, batch, threads int) int64 {
	b, hidden, heads, kv := int64(batch), int64(c.Hidden), int64(c.Heads*c.HeadDim), int64(c.KVHeads*c.HeadDim)
	input := func(cols int64) int64 { return 5*cols + cols/4 } // float32, int8, scales
	n := b * (4*hidden + input(hidden) + input(heads) + 4*hidden + 4*int64(c.MoE.Experts) + 4*(heads+2*kv))
	n += b * int64(c.MoE.ExpertsPerToken) * (4*hidden + 20)                                                   // outputs of experts
	n += 2 * b * int64(c.KVHeads) * int64(t.quant().RowBytes(c.HeadDim))                                      // keys and values of a batch
	n += int64(min(headBatch, batch)) * (4*int64(c.Vocab) + input(hidden))                                    // logits
	n += int64(expertSlices+c.MoE.ExpertsPerToken)*4*hidden + 12*int64(c.MoE.ExpertsPerToken*c.MoE.ExpertFFN) // a single token
	return n + int64(threads)*(2<<20)                                                                         // tiles and stacks of the threads
}
