// Package policies compares what decides which experts stay in memory.
package policies

import (
	"container/list"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"st/runtime/experts"
)

var (
	traceFile  = flag.String("trace", "../../../runtime/experts/testdata/tiny.trace", "the trace that is measured, which st generate --trace wrote; its first quarter fills the cache")
	beforeFile = flag.String("before", "", "the trace of another text, which fills the cache instead, and makes the scores that the measured one begins with")
)

// The machine that tokens a second are told for.
var (
	bandwidth   = flag.Float64("bandwidth", 1000, "of the disk, in MB/s")
	latency     = flag.Duration("latency", 100*time.Microsecond, "of the disk")
	queue       = flag.Int("queue", 4, "reads in flight")
	expertBytes = flag.Int64("expert", 2<<20, "bytes of an expert")
	foreseen    = flag.Float64("foreseen", 0.77, "share of the missing experts that the layer before foresees, where the trace does not tell: as docs/experts.md has it")
	attention   = flag.Duration("attention", 150*time.Microsecond, "of a layer")
	expert      = flag.Duration("compute", 70*time.Microsecond, "of an expert")
	headTime    = flag.Duration("head", 3*time.Millisecond, "of a token besides its layers")
)

var policies = []struct {
	name  string
	make  func(t *experts.Trace, size int) experts.Policy
	rated bool // it needs a trace with chances
}{
	{"random", newRandom, false},
	{"FIFO of S3-FIFO", newS3FIFO, false},
	{"LRU", newLRU, false},
	{"ARC", newARC, false},
	{"W-TinyLFU", newTinyLFU, false},
	{"LFU", newLFU, false},
	{"LRFU, half-life 16", scored(16, 16), false},
	{"LRFU, half-life 64", scored(64, 64), false},
	{"LRFU, half-life 512", scored(512, 512), false},
	{"mean of 16 and 512, each layer its share", newPerLayer, false},
	{"mean of 16 and 512", scored(16, 512), false},
	{"chances, 3 and 64 (the engine's)", rated(experts.OfChances...), true},
	{"the same, nothing foreseen", unforeseen(rated(experts.OfChances...)), true},
	{"the same, each layer its share", newPerLayerRated, true},
	{"the same, shares by marginal gain", newMarginal, true},
	{"the same, by the time of the next use", newNextUse, true},
	{"the same, and which expert follows which", newFollowers, true},
	{"chances, 3 and 512", rated(experts.Average{HalfLife: 3, Weight: 1}, experts.Average{HalfLife: 512, Weight: 4}), true},
	{"chances, 3, 32 and 512", rated(experts.Average{HalfLife: 3, Weight: 1}, experts.Average{HalfLife: 32, Weight: 1}, experts.Average{HalfLife: 512, Weight: 3}), true},
	{"chances, 1 and 128", rated(experts.Average{HalfLife: 1, Weight: 1}, experts.Average{HalfLife: 128, Weight: 4}), true},
	{"static, of the whole trace", newStatic, false},
	{"Belady", experts.NewBelady, false},
}

func scored(short, long float64) func(*experts.Trace, int) experts.Policy {
	return func(t *experts.Trace, size int) experts.Policy {
		return experts.NewScored(t.Shape, size, experts.Average{HalfLife: short, Weight: 1}, experts.Average{HalfLife: long, Weight: 1})
	}
}

// readTraces returns the tokens of -before and those of -trace, and how many fill the cache.
func readTraces(t *testing.T) (trace *experts.Trace, warm int) {
	t.Helper()
	trace = readTrace(t, *traceFile)
	if *beforeFile == "" {
		return trace, len(trace.Tokens) / 4
	}
	before := readTrace(t, *beforeFile)
	if before.Shape != trace.Shape {
		t.Fatalf("%s is of another model", *beforeFile)
	}
	warm = len(before.Tokens)
	batches := before.Tokens[warm-1].Batch + 1
	for _, token := range trace.Tokens {
		token.Batch += batches
		before.Tokens = append(before.Tokens, token)
	}
	return before, warm
}

func readTrace(t *testing.T, file string) *experts.Trace {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	trace, err := experts.ReadTrace(f)
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

// generation returns what the batches of one token come to, after the first warm tokens; all batches, where none has one token.
func generation(batches []experts.Speed, warm int) experts.Speed {
	var one, all experts.Speed
	seen := 0
	for _, b := range batches {
		if seen >= warm {
			if all.Add(b); b.Tokens == 1 {
				one.Add(b)
			}
		}
		seen += b.Tokens
	}
	if one.Tokens > 0 {
		return one
	}
	return all
}

// TestPolicies prints the hit rates of all policies, of which none may beat the bound, and checks that the one that is used is no
// worse than simple ones.
func TestPolicies(t *testing.T) {
	trace, warm := readTraces(t)
	sizes := []int{trace.Len() / 8, trace.Len() / 4, trace.Len() * 36 / 100, trace.Len() / 2, trace.Len() * 3 / 4}
	head := fmt.Sprintf("%-42s", "hit rate, share in memory")
	for _, n := range sizes {
		head += fmt.Sprintf("%8.1f %%", 100*float64(n)/float64(trace.Len()))
	}
	t.Log(head)
	// A disk as in docs/experts.md, and a token of the 4B shape in memory.
	timing := experts.Timing{
		Disk: experts.Disk{Bandwidth: *bandwidth * 1e6, Latency: *latency, Queue: *queue}, ExpertBytes: *expertBytes, Foreseen: *foreseen,
		Computing: experts.Computing{Attention: *attention, Expert: *expert, Head: *headTime}, PieceBytes: 1 << 20,
	}
	rates := map[string][]float64{}
	for _, p := range policies {
		if p.rated && !trace.Rated() {
			continue
		}
		line := fmt.Sprintf("%-42s", p.name)
		for _, n := range sizes {
			r := experts.Simulate(trace, p.make(trace, n), warm)
			rates[p.name] = append(rates[p.name], r.HitRate())
			line += fmt.Sprintf("%8.1f %%", 100*r.HitRate())
		}
		line += "   tokens/s"
		for _, n := range sizes {
			line += fmt.Sprintf("%8.1f", generation(experts.ReplayTime(trace, p.make(trace, n), timing), warm).TokensPerSecond())
		}
		t.Log(line)
	}
	used := "mean of 16 and 512" // by the engine, of a trace without chances
	if trace.Rated() {
		used = "chances, 3 and 64 (the engine's)"
	}
	for i, n := range sizes {
		ours, bound := rates[used][i], rates["Belady"][i]
		for name, r := range rates {
			if r[i] > bound {
				t.Errorf("%s with %d slots: hit rate %.3f beats the bound, %.3f", name, n, r[i], bound)
			}
		}
		for _, name := range []string{"random", "LRU", "ARC"} {
			if r := rates[name]; ours < r[i] {
				t.Errorf("%d slots: hit rate %.3f is worse than that of %s, %.3f", n, ours, name, r[i])
			}
		}
	}
}

// The policies that were considered. They are here to be measured.

// lru gives up what was not used for longest.
type lru struct {
	size  int
	order *list.List
	at    map[int32]*list.Element
}

func newLRU(_ *experts.Trace, size int) experts.Policy {
	return &lru{size, list.New(), map[int32]*list.Element{}}
}

func (p *lru) Advance(int) {}

func (p *lru) Access(id int32, _ int) bool {
	if e, ok := p.at[id]; ok {
		p.order.MoveToFront(e)
		return true
	}
	if p.order.Len() == p.size {
		last := p.order.Back()
		delete(p.at, last.Value.(int32))
		p.order.Remove(last)
	}
	p.at[id] = p.order.PushFront(id)
	return false
}

// lfu gives up what was used least often, ever.
func newLFU(t *experts.Trace, size int) experts.Policy {
	return experts.NewScored(t.Shape, size, experts.Average{HalfLife: 1e12, Weight: 1})
}

// perLayer gives every layer an equal share of a policy.
type perLayer struct {
	experts int
	layers  []experts.Policy
}

func newPerLayer(t *experts.Trace, size int) experts.Policy {
	p := &perLayer{experts: t.Experts}
	for l := range t.Layers {
		p.layers = append(p.layers, experts.NewScored(t.Shape, max(1, size*(l+1)/t.Layers-size*l/t.Layers), experts.OfUses...))
	}
	return p
}

func (p *perLayer) Advance(n int) {
	for _, l := range p.layers {
		l.Advance(n)
	}
}

func (p *perLayer) Access(id int32, tokens int) bool {
	return p.layers[int(id)/p.experts].Access(id, tokens)
}

// static keeps the experts that the whole trace uses most.
type static struct{ cached map[int32]bool }

func newStatic(t *experts.Trace, size int) experts.Policy {
	count := make([]int, t.Len())
	for _, token := range t.Tokens {
		for i, e := range token.Experts {
			count[i/t.TopK*t.Experts+int(e)]++
		}
	}
	p := &static{map[int32]bool{}}
	for len(p.cached) < size {
		best := -1
		for id, n := range count {
			if !p.cached[int32(id)] && (best < 0 || n > count[best]) {
				best = id
			}
		}
		p.cached[int32(best)] = true
	}
	return p
}

func (p *static) Advance(int)                 {}
func (p *static) Access(id int32, _ int) bool { return p.cached[id] }

// arc is Megiddo and Modha's adaptive replacement cache (FAST 2003): lists of what was used once and more often, with
// ghosts of what was given up, which move the border between them.
type arc struct {
	size, target   int
	t1, t2, b1, b2 *list.List
	where          map[int32]*list.List
	at             map[int32]*list.Element
}

func newARC(_ *experts.Trace, size int) experts.Policy {
	return &arc{size: size, t1: list.New(), t2: list.New(), b1: list.New(), b2: list.New(),
		where: map[int32]*list.List{}, at: map[int32]*list.Element{}}
}

func (p *arc) Advance(int) {}

func (p *arc) move(id int32, to *list.List) {
	if from := p.where[id]; from != nil {
		from.Remove(p.at[id])
	}
	p.where[id], p.at[id] = to, to.PushFront(id)
}

func (p *arc) drop(l *list.List) {
	id := l.Remove(l.Back()).(int32)
	delete(p.where, id)
	delete(p.at, id)
}

func (p *arc) replace(inB2 bool) {
	if n := p.t1.Len(); n > 0 && (n > p.target || inB2 && n == p.target) {
		p.move(p.t1.Back().Value.(int32), p.b1)
		return
	}
	p.move(p.t2.Back().Value.(int32), p.b2)
}

func (p *arc) Access(id int32, _ int) bool {
	switch p.where[id] {
	case p.t1, p.t2:
		if p.where[id] != nil {
			p.move(id, p.t2)
			return true
		}
	case p.b1:
		p.target = min(p.size, p.target+max(1, p.b2.Len()/p.b1.Len()))
		p.replace(false)
		p.move(id, p.t2)
		return false
	case p.b2:
		p.target = max(0, p.target-max(1, p.b1.Len()/p.b2.Len()))
		p.replace(true)
		p.move(id, p.t2)
		return false
	}
	if p.t1.Len()+p.b1.Len() == p.size {
		if p.t1.Len() < p.size {
			p.drop(p.b1)
			p.replace(false)
		} else {
			p.drop(p.t1)
		}
	} else if all := p.t1.Len() + p.t2.Len() + p.b1.Len() + p.b2.Len(); all >= p.size {
		if all == 2*p.size {
			p.drop(p.b2)
		}
		if p.t1.Len()+p.t2.Len() >= p.size {
			p.replace(false)
		}
	}
	p.move(id, p.t1)
	return false
}

// s3fifo is S3-FIFO (Yang et al., SOSP 2023): a small queue for newcomers, a main one for what was used again, and ghosts.
type s3fifo struct {
	small, main, ghost *list.List
	smallSize, size    int
	uses               map[int32]int
	in                 map[int32]*list.List
	ghosts             map[int32]*list.Element
}

func newS3FIFO(_ *experts.Trace, size int) experts.Policy {
	return &s3fifo{small: list.New(), main: list.New(), ghost: list.New(), smallSize: max(1, size/10), size: size,
		uses: map[int32]int{}, in: map[int32]*list.List{}, ghosts: map[int32]*list.Element{}}
}

func (p *s3fifo) Advance(int) {}

func (p *s3fifo) put(id int32, l *list.List) {
	l.PushFront(id)
	p.in[id] = l
}

func (p *s3fifo) Access(id int32, _ int) bool {
	if p.in[id] != nil {
		p.uses[id] = min(3, p.uses[id]+1)
		return true
	}
	for p.small.Len()+p.main.Len() >= p.size {
		p.evict()
	}
	if g := p.ghosts[id]; g != nil {
		p.ghost.Remove(g)
		delete(p.ghosts, id)
		p.put(id, p.main)
	} else {
		p.put(id, p.small)
	}
	p.uses[id] = 0
	return false
}

func (p *s3fifo) evict() {
	if p.small.Len() >= p.smallSize || p.main.Len() == 0 {
		id := p.small.Remove(p.small.Back()).(int32)
		if p.uses[id] > 1 {
			p.uses[id] = 0
			p.put(id, p.main)
			return
		}
		delete(p.in, id)
		p.ghosts[id] = p.ghost.PushFront(id)
		if p.ghost.Len() > p.size {
			delete(p.ghosts, p.ghost.Remove(p.ghost.Back()).(int32))
		}
		return
	}
	id := p.main.Remove(p.main.Back()).(int32)
	if p.uses[id] > 0 {
		p.uses[id]--
		p.main.PushFront(id)
		return
	}
	delete(p.in, id)
}

// tinyLFU is W-TinyLFU (Einziger et al., ACM TOS 2017) with exact counts instead of a sketch: a window of newcomers, which must
// have been used more often than what they push out; counts are halved from time to time.
type tinyLFU struct {
	window, main *lru
	count        map[int32]int
	seen, size   int
}

func newTinyLFU(t *experts.Trace, size int) experts.Policy {
	w := max(1, size/50)
	return &tinyLFU{window: newLRU(t, w).(*lru), main: newLRU(t, max(1, size-w)).(*lru), count: map[int32]int{}, size: size}
}

func (p *tinyLFU) Advance(int) {}

func (p *tinyLFU) Access(id int32, tokens int) bool {
	p.count[id] += tokens
	if p.seen++; p.seen == 100*p.size {
		p.seen = 0
		for id := range p.count {
			p.count[id] /= 2
		}
	}
	if _, ok := p.main.at[id]; ok {
		return p.main.Access(id, 1)
	}
	if _, ok := p.window.at[id]; ok {
		return p.window.Access(id, 1)
	}
	if p.window.order.Len() == p.window.size {
		old := p.window.order.Back().Value.(int32)
		if p.main.order.Len() < p.main.size || p.count[old] > p.count[p.main.order.Back().Value.(int32)] {
			p.main.Access(old, 1)
		}
	}
	return p.window.Access(id, 1)
}

// random gives up any.
type random struct {
	size int
	ids  []int32
	at   map[int32]int
	rng  *rand.Rand
}

func newRandom(_ *experts.Trace, size int) experts.Policy {
	return &random{size, nil, map[int32]int{}, rand.New(rand.NewPCG(1, 2))}
}

func (p *random) Advance(int) {}

func (p *random) Access(id int32, _ int) bool {
	if _, ok := p.at[id]; ok {
		return true
	}
	if len(p.ids) < p.size {
		p.at[id] = len(p.ids)
		p.ids = append(p.ids, id)
		return false
	}
	i := p.rng.IntN(p.size)
	delete(p.at, p.ids[i])
	p.ids[i], p.at[id] = id, i
	return false
}

func (p *lru) Has(id int32) bool      { _, ok := p.at[id]; return ok }
func (p *perLayer) Has(id int32) bool { return p.layers[int(id)/p.experts].Has(id) }
func (p *static) Has(id int32) bool   { return p.cached[id] }
func (p *arc) Has(id int32) bool      { l := p.where[id]; return l != nil && (l == p.t1 || l == p.t2) }
func (p *s3fifo) Has(id int32) bool   { return p.in[id] != nil }
func (p *tinyLFU) Has(id int32) bool  { return p.window.Has(id) || p.main.Has(id) }
func (p *random) Has(id int32) bool   { _, ok := p.at[id]; return ok }
