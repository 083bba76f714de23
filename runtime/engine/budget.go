package engine

import (
	"fmt"
	"sort"
	"strings"

	"st/format"
)

// Budget tells what the memory of a process that runs a model is for, in bytes.
type Budget struct {
	// Total is what the user named.
	Total int64 `json:"total"`
	// Other is what the process takes besides the engine: the program, the tokenizer.
	Other int64 `json:"other"`
	// Dense are the weights that every token reads.
	Dense int64 `json:"dense"`
	// Working is the working memory of passes, and Reserve what is left for the operating system and for garbage.
	Working int64 `json:"working"`
	Reserve int64 `json:"reserve"`
	// Lent is what of Working experts have besides Experts, in whole slots, while single tokens are generated.
	Lent int64 `json:"lent"`
	// KV is the KV cache of a sequence as long as the context. It grows as sequences do, and takes its memory from the experts.
	KV int64 `json:"kv_cache"`
	// Experts is what is left for experts while the KV cache is empty.
	Experts int64 `json:"experts"`
	// SmallestExperts is the least that works: what a token needs in a layer, twice, so that the next can be fetched.
	SmallestExperts int64 `json:"smallest_experts"`
	// FFN is what is left for the feed-forward layers of a dense model while the KV cache is empty, and SmallestFFN the least that works: room for
	// parts of a layer on their way. 0: there are experts, or the layers are among the Dense weights, because there is room for all of them.
	FFN         int64 `json:"ffn,omitempty"`
	SmallestFFN int64 `json:"smallest_ffn,omitempty"`

	leastKV int64 // KV for minContext tokens
	batch   int64 // of Working, the activations of a batch
	slot    int64 // what an expert takes; 0: there are none
}

// Smallest returns the smallest total that works for the same context.
func (b *Budget) Smallest() int64 { return b.totalFor(b.SmallestExperts + b.SmallestFFN) }

// SmallestShare is Smallest with a sequence of 512 tokens, or of the context if that is shorter: more are a matter of [Engine.SetShare].
func (b *Budget) SmallestShare() int64 { return b.smallestWith(b.leastKV) }

// smallestWith is Smallest with KV caches of so many bytes, in place of one of the whole context.
func (b *Budget) smallestWith(kv int64) int64 {
	return b.totalFor(b.SmallestExperts + b.SmallestFFN - b.KV + kv)
}

// totalFor returns the smallest total that leaves so many bytes for experts, or feed-forward layers, beside a full KV cache.
func (b *Budget) totalFor(experts int64) int64 {
	return BudgetFor(b.Other + b.Dense + b.Working + b.KV + experts)
}

// What is left for the operating system and for garbage: some, and a share of the total.
const (
	reserveBytes = ReserveBytes
	reserveShare = 100
)

// ReserveBytes is what is left of any budget. Models of one process need it once.
const ReserveBytes = 16 << 20

// reserve returns what is left of a total.
func reserve(total int64) int64 { return reserveBytes + total/reserveShare }

func (b *Budget) fixed() int64 { return b.fixedIn(b.Total) }

// fixedIn is fixed for another total: less is left of less.
func (b *Budget) fixedIn(total int64) int64 { return b.Other + b.Dense + b.Working + reserve(total) }

// fits reports whether the total is enough for a full KV cache and the experts that work needs.
func (b *Budget) fits() bool { return b.fixed()+b.KV+b.SmallestExperts+b.SmallestFFN <= b.Total }

// String names the parts in whole MiB, which add up to the total rounded up.
func (b *Budget) String() string {
	var parts []string
	var sum int64
	for _, p := range []struct {
		name  string
		bytes int64
	}{{"program and tokenizer", b.Other}, {"dense weights", b.Dense}, {"KV cache", b.KV}, {"working memory", b.Working},
		{"reserve", b.Reserve}, {"experts", b.SmallestExperts}, {"feed-forward layers", b.SmallestFFN}} {
		before := wholeMiB(sum)
		sum += p.bytes
		if n := wholeMiB(sum) - before; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %dMiB", p.name, n))
		}
	}
	return strings.Join(parts, ", ")
}

// minContext is the context below which a budget is refused, unless the user asks for less.
const minContext = 512

// NewBudget shares out opts.Memory. A context that is not asked for is cut to what fits. If the memory is too small, the error wraps [ErrMemory],
// and the budget tells what it would take.
func NewBudget(r *format.Reader, opts Options) (*Budget, error) {
	return newEngine(r, &opts).divide(&opts)
}

// divide shares out opts.Memory, and cuts the context to what fits.
func (e *Engine) divide(opts *Options) (*Budget, error) {
	r, c := e.reader, e.config
	slot := largestExpert(r)
	b := &Budget{slot: slot, Total: opts.Memory, Other: opts.Other, Dense: e.denseBytes(nil), Reserve: reserve(opts.Memory)}
	if c.MoE != nil {
		b.SmallestExperts = int64(min(2*c.MoE.ExpertsPerToken, c.ExpertCount())) * slot
	}
	e.budget = b // a pass needs more where experts are foreseen
	b.measure(e)
	if !b.fits() {
		if e.pieces = newFFNPieces(r); e.pieces != nil {
			b.Dense, b.SmallestFFN = e.denseBytes(e.pieces), e.pieces.ring()
		}
	}
	if opts.Context <= 0 && e.context > minContext && !b.fits() {
		// The longest context of whole pages that fits, or the shortest that is worth it.
		shorter := (e.context - 1) / kvPagePositions
		shorter -= sort.Search(shorter-minContext/kvPagePositions, func(i int) bool {
			e.setContext((shorter - i) * kvPagePositions)
			b.measure(e)
			return b.fits()
		})
		e.setContext(shorter * kvPagePositions)
		b.measure(e)
	}
	all := int64(c.ExpertCount())
	if slot > 0 {
		lent := min(b.batch/slot, all)
		if opts.mostLent != nil {
			lent = min(lent, *opts.mostLent)
		}
		b.Lent = lent * slot
	}
	if !b.fits() {
		least := *b
		least.Reserve = reserve(least.Smallest())
		return b, fmt.Errorf("%w: %s; this model needs %s with a context of %d (%s)", ErrMemory, FormatBytes(b.Total), mebibytes(least.Smallest()), e.context, &least)
	}
	if slot > 0 {
		b.Experts = min((b.Total-b.fixed())/slot, all) * slot
	}
	if e.pieces != nil {
		b.FFN = min(b.Total-b.fixed(), e.pieces.ring()+e.pieces.total())
	}
	return b, nil
}

// Enough returns what is named to people where so many bytes are needed: whole MiB, which can be typed.
func Enough(bytes int64) int64 { return wholeMiB(bytes) << 20 }

// Needed returns what is named to people as the memory in which all of a model runs: no less than the smallest budget, since of a small model reading
// takes more than its weights do.
func Needed(r *format.Reader, opts Options) int64 {
	smallest, _ := SmallestMemory(r, opts)
	return Enough(max(NeededMemory(r, opts), smallest))
}

// denseBytes returns what is Dense in a budget, but for what is cut into pieces.
func (e *Engine) denseBytes(pieces *ffnPieces) int64 {
	return denseBytes(e.reader, pieces) + e.sparseBytes + guessRouterBytes(e.config)
}

// measure asks those who take memory how much it is: a pass that is made without any tells what it would have taken.
func (b *Budget) measure(e *Engine) {
	working, batch := e.placePasses(nil, nil)
	b.Working, b.batch = working+batch+int64(e.Threads())*threadBytes+lookupBytes(e.reader, e.batch), batch
	logits := 4 * int64(e.config.Vocab) // of the session
	b.KV, b.leastKV = e.kv.bytes(e.context)+logits, e.kv.bytes(min(e.context, minContext))+logits
}

// threadBytes is about what a thread takes: its stack, tiles of weights, and what Go's scheduler keeps for it.
const threadBytes = 2 << 20

// SmallestMemory returns the smallest opts.Memory that works, and the context that it works for: what is left of the model's if none was asked
// for.
func SmallestMemory(r *format.Reader, opts Options) (bytes int64, context int) {
	opts.Memory = 0
	e := newEngine(r, &opts)
	b, _ := e.divide(&opts)
	return b.Smallest(), e.context
}

// BudgetFor returns the smallest opts.Memory of which so many bytes are left when some is reserved for the operating system and for garbage.
func BudgetFor(bytes int64) int64 { return (bytes+reserveBytes)*reserveShare/(reserveShare-1) + 1 }

// MemoryFor returns the smallest opts.Memory in which n experts stay while single tokens are generated, however long one sequence grows, and how many stay
// then: more than n if there is room for more in the smallest that works. A batch has the memory of Budget.Lent for itself.
func MemoryFor(r *format.Reader, opts Options, n int) (bytes int64, kept int) {
	opts.Memory = 0
	e := newEngine(r, &opts)
	b, _ := e.divide(&opts)
	if b.slot == 0 {
		return b.Smallest(), 0
	}
	own := max(b.SmallestExperts, int64(n)*b.slot-b.Lent)
	return b.totalFor(own), min(int((own+b.Lent)/b.slot), e.config.ExpertCount())
}

// MemoryForLayers returns the smallest opts.Memory in which the feed-forward networks of the first n layers of a dense model stay, however long one
// sequence grows: all weights, if there are no more layers.
func MemoryForLayers(r *format.Reader, opts Options, n int) int64 {
	opts.Memory = 0
	e := newEngine(r, &opts)
	b, _ := e.divide(&opts)
	if e.pieces == nil || n >= e.config.Layers {
		b.Dense = e.denseBytes(nil)
		return b.totalFor(0)
	}
	first, _ := e.pieces.of(n)
	return b.totalFor(e.pieces.ring() + e.pieces.home(first))
}

// NeededMemory returns the memory in which nothing of a model is read twice: all weights, what a run within a budget takes besides, and one sequence with a
// KV cache of the context, or of 4096 tokens if that is shorter.
func NeededMemory(r *format.Reader, opts Options) int64 {
	e := newEngine(r, &opts)
	e.setContext(min(e.context, 4096))
	var b Budget
	b.measure(e)
	n := opts.Other + e.denseBytes(nil) + b.KV + b.Working
	for i := range r.Records() {
		if rec := &r.Records()[i]; rec.IsExpert() {
			n += rec.Length
		}
	}
	return n + reserveBytes
}

// lookupBytes returns the memory that reading the rows of a batch of tokens takes, from tables that are not kept, and that of the rows which a rowReader
// keeps.
func lookupBytes(r *format.Reader, batch int) (n int64) {
	_, tables := denseRecords(r, nil)
	perLayer, _, _ := r.Role(format.RolePerLayerEmbedding, -1)
	for _, rec := range tables {
		rows := min(batch, rowsTogether)
		if rec == perLayer {
			rows = batch
		}
		n += int64(rows)*rowBytes(&rec.Tensors[0]) + keptBytes(&rec.Tensors[0])
	}
	return n
}

// mebibytes rounds up, so that what it says is enough.
func mebibytes(n int64) string { return fmt.Sprintf("%dMiB", wholeMiB(n)) }

// wholeMiB rounds up.
func wholeMiB(n int64) int64 { return (n + 1<<20 - 1) >> 20 }

// FormatBytes writes a size as people do, exactly if it is whole in a unit: 1GiB, 1500MB, 200kB. Another is rounded up to whole MiB, or told in bytes if it is
// smaller than one.
func FormatBytes(n int64) string {
	for _, u := range []struct {
		bytes int64
		name  string
	}{{1 << 30, "GiB"}, {1e9, "GB"}, {1 << 20, "MiB"}, {1e6, "MB"}, {1 << 10, "KiB"}, {1e3, "kB"}} {
		if n > 0 && n%u.bytes == 0 {
			return fmt.Sprintf("%d%s", n/u.bytes, u.name)
		}
	}
	if n < 1<<20 {
		return fmt.Sprintf("%dB", n)
	}
	return mebibytes(n)
}

// largestExpert returns the length of the longest expert record.
func largestExpert(r *format.Reader) (n int64) {
	for i := range r.Records() {
		if rec := &r.Records()[i]; rec.IsExpert() {
			n = max(n, rec.Length)
		}
	}
	return n
}
