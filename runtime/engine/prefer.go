package engine

import (
	"math"

	"st/format"
)

// preference moves a token's choice of experts towards those that are in memory: the lightest of the chosen experts that are missing give their
// places to experts that are there, the best by the router's score, while what they carry together is at most a share of the token's weight. The
// expert that carries most stays, and the weights are those of the router's scores for the experts that were taken. Compare the cache-aware routing of
// Skliar et al., arXiv 2412.00099, which adds to the scores of all experts in memory: at the same divergence that saves fewer reads. See
// docs/prefer-cached.md.
type preference struct {
	share float32 // of a token's weight that may move
	held  []bool  // [experts] of the layer: those that are in memory, or being read
}

// maxPreferCached is all of a token's weight.
const maxPreferCached = 1.

// move changes the experts in best, which are in order of their scores. w [top-k] is scratch.
func (f *preference) move(best []int32, scores, w []float32, m *format.MoE) {
	var sum float32
	for i, e := range best {
		if m.RouterSoftmax {
			w[i] = float32(math.Exp(float64(scores[e] - scores[best[0]])))
		} else {
			w[i] = sigmoid(scores[e])
		}
		sum += w[i]
	}
	left := f.share * sum
	moved := false
	for i := len(best) - 1; i > 0; i-- {
		if f.held[best[i]] {
			continue
		}
		to := f.best(best, scores)
		if left -= w[i]; !(left >= 0) || to < 0 {
			break
		}
		best[i], moved = to, true
	}
	if !moved {
		return
	}
	for i := 2; i < len(best); i++ { // in order again
		for j := i; j > 1 && better(scores[best[j]], scores[best[j-1]]); j-- {
			best[j], best[j-1] = best[j-1], best[j]
		}
	}
}

// best returns the expert in memory that has the highest score of those that were not chosen; −1: there is none.
func (f *preference) best(chosen []int32, scores []float32) int32 {
	at := int32(-1)
next:
	for e, held := range f.held {
		if !held || at >= 0 && !better(scores[e], scores[at]) {
			continue
		}
		for _, c := range chosen {
			if int(c) == e {
				continue next
			}
		}
		at = int32(e)
	}
	return at
}

func sigmoid(v float32) float32 { return float32(1 / (1 + math.Exp(-float64(v)))) }

// prefer returns how the rows' choice in a layer moves; nil: it does not. Layers that have experts are counted from 0. Only tokens that come one at
// a time move: a prompt reads most of a layer's experts in any case, once for all of its tokens.
func (p *pass) prefer(layer int) *preference {
	if p.preferCached == 0 || p.singles < p.n || p.streamed == nil || p.streamed.complete() {
		return nil
	}
	if p.preference == nil {
		p.preference = &preference{p.preferCached, make([]bool, p.config.MoE.Experts)}
	}
	if !p.streamed.present(layer, p.preference.held) {
		return nil
	}
	return p.preference
}
