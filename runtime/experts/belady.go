package experts

import "math"

// belady evicts the expert whose next use is farthest in the future. It knows the future from the trace.
type belady struct {
	size int
	uses [][]int32       // by expert: when it is used
	in   map[int32]int32 // when it is used next
}

// NewBelady returns Belady's policy (IBM Systems Journal 5, 1966) for a trace. No policy has fewer misses. A runtime cannot use it, because
// it needs the future.
func NewBelady(t *Trace, size int) Policy {
	p := &belady{size: size, uses: make([][]int32, t.Len()), in: map[int32]int32{}}
	record := &recorder{p, 0}
	Simulate(t, record, 0)
	return p
}

// recorder notes when experts are used.
type recorder struct {
	to  *belady
	now int32
}

func (r *recorder) Advance(int)    {}
func (r *recorder) Has(int32) bool { return false }

func (r *recorder) Access(id int32, _ int) bool {
	r.now++
	r.to.uses[id] = append(r.to.uses[id], r.now)
	return false
}

func (p *belady) Start(ids []int32, _ []float64) {
	for _, id := range ids {
		p.in[id] = math.MaxInt32
		if uses := p.uses[id]; len(uses) > 0 {
			p.in[id] = uses[0]
		}
	}
}

func (p *belady) Advance(int) {}

func (p *belady) Has(id int32) bool {
	_, ok := p.in[id]
	return ok
}

func (p *belady) Access(id int32, _ int) bool {
	next := int32(math.MaxInt32)
	if p.uses[id] = p.uses[id][1:]; len(p.uses[id]) > 0 {
		next = p.uses[id][0]
	}
	_, hit := p.in[id]
	if !hit && len(p.in) == p.size {
		last, when := int32(-1), next // the expert itself, if its next use is last: then it is not kept
		for x, n := range p.in {
			if n > when {
				last, when = x, n
			}
		}
		if last < 0 {
			return false
		}
		delete(p.in, last)
	}
	p.in[id] = next
	return hit
}
