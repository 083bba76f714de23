package experts

import "math"

// scored keeps the experts with the highest [Scores].
type scored struct {
	scores *Scores
	rated  bool // by chances, and not by uses
	batch  int  // tokens
	layer  int  // that the batch is at
	cached []bool
	held   []bool // foreseen, or used in the layer
	used   []int32
	slots  []int32
	size   int
}

// NewScored returns a policy that ranks experts by how often they were used, with room for size experts.
func NewScored(s Shape, size int, averages ...Average) Policy {
	return &scored{scores: NewScores(s.Layers, s.Experts, averages...), cached: make([]bool, s.Len()), held: make([]bool, s.Len()), size: size}
}

// NewRated returns a policy that ranks experts by their [Chances], which the trace must have: see [Trace.Rated].
func NewRated(s Shape, size int, averages ...Average) Policy {
	p := NewScored(s, size, averages...).(*scored)
	p.rated = true
	return p
}

// Policy returns the engine's policy, with room for size experts, as far as the trace lets it know: without chances an expert that was nearly chosen
// counts for nothing.
func (t *Trace) Policy(size int) Policy {
	if t.Rated() {
		return NewRated(t.Shape, size, OfChances...)
	}
	return NewScored(t.Shape, size, OfUses...)
}

func (p *scored) Start(ids []int32, shares []float64) {
	for id, share := range shares {
		p.scores.Seed(id, share, SeedTokens)
	}
	for _, id := range ids {
		p.Bring(id)
		p.Forget(id)
	}
}

func (p *scored) Advance(n int) {
	p.batch = n
	p.begin(-1)
}

// begin ends a layer: what it used may go.
func (p *scored) begin(layer int) {
	for _, x := range p.used {
		p.held[x] = false
	}
	p.layer, p.used = layer, p.used[:0]
}

func (p *scored) Has(id int32) bool { return p.cached[id] }

func (p *scored) Rate(layer int, chances []byte) {
	if !p.rated {
		return
	}
	p.scores.Advance(layer, 1)
	for e, c := range chances {
		p.scores.Use(layer*p.scores.perLayer+e, float64(c)/255)
	}
}

func (p *scored) Access(id int32, tokens int) bool {
	if l := int(id) / p.scores.perLayer; l != p.layer {
		if !p.rated {
			p.scores.Advance(l, p.batch)
		}
		p.begin(l)
	}
	if !p.rated {
		p.scores.Use(int(id), float64(tokens))
	}
	hit := p.cached[id]
	p.Bring(id)
	p.used = append(p.used, id)
	return hit
}

// Bring puts an expert into a free slot, or into that of the expert with the lowest score that is not needed.
func (p *scored) Bring(id int32) {
	p.held[id] = true
	if p.cached[id] {
		return
	}
	p.cached[id] = true
	if len(p.slots) < p.size {
		p.slots = append(p.slots, id)
		return
	}
	victim, least, needed := 0, math.Inf(1), true
	for i, x := range p.slots {
		if v := p.scores.Value(int(x)); needed && !p.held[x] || needed == p.held[x] && v < least {
			victim, least, needed = i, v, p.held[x]
		}
	}
	p.cached[p.slots[victim]] = false
	p.slots[victim] = id
}

func (p *scored) Forget(id int32) { p.held[id] = false }
