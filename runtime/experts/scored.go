package experts

import "math"

// scored keeps the experts with the highest [Scores].
type scored struct {
	scores *Scores
	batch  int // tokens
	layer  int // that the batch is at
	cached []bool
	slots  []int32
	size   int
}

// NewScored returns the engine's policy as far as a trace lets it know, with room for size experts: a trace has no router logits, so that an
// expert that was nearly chosen counts for nothing.
func NewScored(s Shape, size int, averages ...Average) Policy {
	return &scored{scores: NewScores(s.Layers, s.Experts, averages...), cached: make([]bool, s.Len()), size: size}
}

func (p *scored) Advance(n int) { p.batch, p.layer = n, -1 }

func (p *scored) Access(id int32, tokens int) bool {
	if l := int(id) / p.scores.perLayer; l != p.layer {
		p.scores.Advance(l, p.batch)
		p.layer = l
	}
	p.scores.Use(int(id), float64(tokens))
	if p.cached[id] {
		return true
	}
	p.cached[id] = true
	if len(p.slots) < p.size {
		p.slots = append(p.slots, id)
		return false
	}
	victim, least := 0, math.Inf(1)
	for i, x := range p.slots {
		if v := p.scores.Value(int(x)); v < least {
			victim, least = i, v
		}
	}
	p.cached[p.slots[victim]] = false
	p.slots[victim] = id
	return false
}
