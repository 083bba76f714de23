package runtime

import (
	"math"

	"st/runtime/kernel"
)

// queryBlock is the number of a batch's tokens that one attention task takes, so that a page of keys and values is decoded
// once for all of them.
const queryBlock = 16

// attention computes softmax(q·kᵀ/√head_dim)·v of a batch, causal and within the layer's window, one task for each KV head
// and block of tokens. Scores are never stored: the softmax is kept up as keys go by (Milakov and Gimelshein, arXiv
// 1805.02867).
type attention struct {
	kv      *kvCache
	heads   int // query heads
	headDim int
	window  int // 0: none
	layer   int
	start   int       // position of the batch's first token
	n       int       // tokens in the batch
	q       []float32 // [n, heads·head_dim]
	out     []float32 // [n, heads·head_dim]
	scratch []attentionScratch
}

// attentionScratch is one thread's working memory.
type attentionScratch struct {
	k, v   []float32 // a page's rows, decoded
	scores []float32
	states []softmaxState
}

// softmaxState is the running softmax of one query: the largest score so far and the sum of exponentials relative to it.
type softmaxState struct{ max, sum float32 }

func newAttentionScratch(headDim, group int) attentionScratch {
	return attentionScratch{
		k:      make([]float32, kvPagePositions*headDim),
		v:      make([]float32, kvPagePositions*headDim),
		scores: make([]float32, kvPagePositions),
		states: make([]softmaxState, queryBlock*group),
	}
}

// tasks returns the number of tasks of the batch.
func (a *attention) tasks() int {
	return a.kv.heads * ((a.n + queryBlock - 1) / queryBlock)
}

// run does one task.
func (a *attention) run(thread, task int) {
	g, block := task%a.kv.heads, task/a.kv.heads
	t0 := block * queryBlock
	t1 := min(a.n, t0+queryBlock)
	s := &a.scratch[thread]
	group := a.heads / a.kv.heads
	for i := range s.states[:(t1-t0)*group] {
		s.states[i] = softmaxState{max: float32(math.Inf(-1))}
	}
	for t := t0; t < t1; t++ {
		clear(a.out[(t*a.heads+g*group)*a.headDim:][:group*a.headDim])
	}
	a.kv.segments(a.layer, g, a.firstVisible(t0), a.start+t1, a.start, func(seg segment) {
		a.kv.decode(s.k, seg.k, seg.n)
		a.kv.decode(s.v, seg.v, seg.n)
		for t := t0; t < t1; t++ {
			from := max(0, a.firstVisible(t)-seg.first)
			to := min(seg.n, a.start+t+1-seg.first)
			if from >= to {
				continue
			}
			for h := range group {
				at := (t*a.heads + g*group + h) * a.headDim
				a.attend(s, &s.states[(t-t0)*group+h], a.q[at:][:a.headDim], a.out[at:][:a.headDim], from, to)
			}
		}
	})
	for t := t0; t < t1; t++ {
		for h := range group {
			out := a.out[(t*a.heads+g*group+h)*a.headDim:][:a.headDim]
			scale := 1 / s.states[(t-t0)*group+h].sum
			for i := range out {
				out[i] *= scale
			}
		}
	}
}

// firstVisible returns the first position that the batch's token t attends to.
func (a *attention) firstVisible(t int) int {
	if a.window == 0 {
		return 0
	}
	return max(0, a.start+t+1-a.window)
}

// attend brings rows [from, to) of the decoded page into one query's running result.
func (a *attention) attend(s *attentionScratch, state *softmaxState, q, out []float32, from, to int) {
	d := a.headDim
	scale := float32(1 / math.Sqrt(float64(d)))
	top := state.max
	scores := s.scores[from:to]
	for i := range scores {
		scores[i] = kernel.Dot(q, s.k[(from+i)*d:][:d]) * scale
		top = max(top, scores[i])
	}
	if top > state.max {
		shrink := float32(math.Exp(float64(state.max - top)))
		state.max, state.sum = top, state.sum*shrink
		for i := range out {
			out[i] *= shrink
		}
	}
	for i, v := range scores {
		p := float32(math.Exp(float64(v - top)))
		state.sum += p
		kernel.Axpy(out, p, s.v[(from+i)*d:][:d])
	}
}
