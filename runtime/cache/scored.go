package cache

import "math"

// scored keeps the experts with the highest [Scores].
type scored struct {
	scores *Scores
	cached []bool
	slots  []int32
	size   int
}

// NewScored returns the policy that the runtime uses, with room for size experts of n.
func NewScored(n, size int, short, long float64) Policy {
	return &scored{scores: NewScores(n, short, long), cached: make([]bool, n), size: size}
}

func (p *scored) Advance(n int) { p.scores.Advance(n) }

func (p *scored) Access(id int32, tokens int) bool {
	p.scores.Use(int(id), tokens)
	if p.cached[id] {
		return true
	}
	p.cached[id] = true
	if len(p.slots) < p.size {
		p.slots = append(p.slots, id)
		return false
	}
	victim, least, w := 0, math.Inf(1), p.scores.Weights()
	for i, x := range p.slots {
		if v := p.scores.Value(w, int(x)); v < least {
			victim, least = i, v
		}
	}
	p.cached[p.slots[victim]] = false
	p.slots[victim] = id
	return false
}
