package policies

import (
	"math"
	"slices"

	"st/runtime/experts"
)

// Policies that know the chances of experts that were not chosen: see experts.Chances.

func rated(averages ...experts.Average) func(*experts.Trace, int) experts.Policy {
	return func(t *experts.Trace, size int) experts.Policy { return experts.NewRated(t.Shape, size, averages...) }
}

// hidden is a policy that is not told what is foreseen: it keeps nothing for it, and what is read in vain does not stay.
type hidden struct {
	experts.Policy
	experts.Rater
}

func unforeseen(make func(*experts.Trace, int) experts.Policy) func(*experts.Trace, int) experts.Policy {
	return func(t *experts.Trace, size int) experts.Policy {
		p := make(t, size)
		return hidden{p, p.(experts.Rater)}
	}
}

// ranked gives up the expert of the lowest rank that is not needed, in the layer that quota names, if that is not nil.
type ranked struct {
	experts.Shape
	scores *experts.Scores
	rank   func(id int32, p float64) float64 // p: the engine's estimate of the share of tokens that use it
	rated  func(layer int, chances []byte)   // is told before the averages; nil: nobody
	quota  func(layer int) int               // returns the layer that has to give a slot for another one, −1: any
	cached []bool
	held   []bool
	used   []int32
	slots  []int32
	size   int
	layer  int
}

func newRanked(t *experts.Trace, size int) *ranked {
	return &ranked{Shape: t.Shape, scores: experts.NewScores(t.Layers, t.Experts, experts.OfChances...), size: size,
		rank: func(_ int32, p float64) float64 { return p }, cached: make([]bool, t.Len()), held: make([]bool, t.Len())}
}

func (p *ranked) Advance(int)       { p.begin(-1) }
func (p *ranked) Has(id int32) bool { return p.cached[id] }
func (p *ranked) Forget(id int32)   { p.held[id] = false }

func (p *ranked) begin(layer int) {
	for _, x := range p.used {
		p.held[x] = false
	}
	p.layer, p.used = layer, p.used[:0]
}

func (p *ranked) Rate(layer int, chances []byte) {
	if p.rated != nil {
		p.rated(layer, chances)
	}
	p.scores.Advance(layer, 1)
	for e, c := range chances {
		p.scores.Use(layer*p.Experts+e, float64(c)/255)
	}
}

func (p *ranked) Access(id int32, _ int) bool {
	if l := int(id) / p.Experts; l != p.layer {
		p.begin(l)
	}
	hit := p.cached[id]
	p.Bring(id)
	p.used = append(p.used, id)
	return hit
}

// share is the engine's estimate of the share of tokens that use an expert.
func (p *ranked) share(id int32) float64 {
	var weights float64 // for which the averages count together
	for _, a := range experts.OfChances {
		weights += a.Weight
	}
	return p.scores.Value(int(id)) / weights
}

func (p *ranked) Bring(id int32) {
	p.held[id] = true
	if p.cached[id] {
		return
	}
	p.cached[id] = true
	if len(p.slots) < p.size {
		p.slots = append(p.slots, id)
		return
	}
	from := -1
	if p.quota != nil {
		from = p.quota(int(id) / p.Experts)
	}
	victim, least := -1, math.Inf(1)
	for _, anyone := range []bool{false, true} {
		for i, x := range p.slots {
			if !anyone && (p.held[x] || from >= 0 && int(x)/p.Experts != from) {
				continue
			}
			if v := p.rank(x, p.share(x)); victim < 0 || v < least {
				victim, least = i, v
			}
		}
		if victim >= 0 {
			break
		}
	}
	p.cached[p.slots[victim]] = false
	p.slots[victim] = id
}

// newPerLayerRated gives every layer an equal share.
func newPerLayerRated(t *experts.Trace, size int) experts.Policy {
	p := newRanked(t, size)
	p.quota = func(layer int) int {
		n := 0
		for _, x := range p.slots {
			if int(x)/t.Experts == layer {
				n++
			}
		}
		if n >= max(1, size*(layer+1)/t.Layers-size*layer/t.Layers) {
			return layer
		}
		return -1
	}
	return p
}

// newMarginal gives every layer a share of its own: slots go, one after the other, to the layer in which the next expert would be used by most tokens, as
// the long average tells; shares are found anew every 32 tokens.
func newMarginal(t *experts.Trace, size int) experts.Policy {
	p := newRanked(t, size)
	long := experts.NewScores(t.Layers, t.Experts, experts.Average{HalfLife: 512, Weight: 1})
	share := make([]int, t.Layers)
	tokens := 0
	p.rated = func(layer int, chances []byte) {
		long.Advance(layer, 1)
		for e, c := range chances {
			if c > 127 {
				long.Use(layer*t.Experts+e, 1)
			}
		}
		if layer == 0 {
			if tokens++; tokens%32 == 1 {
				all := make([]int32, t.Len())
				for i := range all {
					all[i] = int32(i)
				}
				slices.SortFunc(all, func(a, b int32) int {
					if d := long.Value(int(b)) - long.Value(int(a)); d != 0 {
						return int(math.Copysign(1, d))
					}
					return int(a - b)
				})
				clear(share)
				for _, id := range all[:size] {
					share[int(id)/t.Experts]++
				}
			}
		}
	}
	count := make([]int, t.Layers)
	p.quota = func(int) int { // the layer that is farthest above its share
		clear(count)
		for _, x := range p.slots {
			count[int(x)/t.Experts]++
		}
		most := 0
		for l := range count {
			if count[l]-share[l] > count[most]-share[most] {
				most = l
			}
		}
		return most
	}
	return p
}

// newNextUse gives up the expert whose next use is farthest in the future, in the mean: its layer's next turn, and 1/p − 1 tokens after it.
func newNextUse(t *experts.Trace, size int) experts.Policy {
	p := newRanked(t, size)
	p.rank = func(id int32, share float64) float64 {
		turn := float64((int(id)/t.Experts-p.layer+t.Layers-1)%t.Layers+1) / float64(t.Layers)
		return -(turn + 1/max(1e-9, share) - 1)
	}
	return p
}

// newFollowers adds how often an expert was chosen by the token after one that chose what the present token chose, in the same layer.
func newFollowers(t *experts.Trace, size int) experts.Policy {
	p := newRanked(t, size)
	follows := make([]float64, t.Len()*t.Experts) // [expert, expert of the layer] the mean chance
	for i := range follows {
		follows[i] = float64(t.TopK) / float64(t.Experts)
	}
	foretold := make([]float64, t.Len())
	last := make([][]int32, t.Layers)
	p.rated = func(layer int, chances []byte) {
		of := foretold[layer*t.Experts:][:t.Experts]
		for _, id := range last[layer] {
			row := follows[int(id)*t.Experts:][:t.Experts]
			for e, c := range chances {
				row[e] += (float64(c)/255 - row[e]) / 32
			}
		}
		last[layer] = last[layer][:0]
		clear(of)
		for e, c := range chances {
			if c > 127 {
				last[layer] = append(last[layer], int32(layer*t.Experts+e))
			}
		}
		for _, id := range last[layer] {
			for e, v := range follows[int(id)*t.Experts:][:t.Experts] {
				of[e] += v / float64(t.TopK)
			}
		}
	}
	p.rank = func(id int32, share float64) float64 { return share + 0.25*foretold[id] }
	return p
}
