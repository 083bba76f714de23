package engine

import (
	"math"

	"st/runtime/kernel"
)

const (
	// queryBlock is the number of a batch's tokens that one attention task takes, so that keys and values are decoded once
	// for all of them.
	queryBlock = 16
	// splitPositions is the number of positions that one task takes when there is only one token: threads share a long
	// context. It does not depend on the number of threads, and so the result does not.
	splitPositions = 512
)

// attention computes softmax(q·kᵀ/√head_dim)·v of a batch, causal and within the layer's window. One task takes a KV head,
// whose keys and values all query heads of its group share, a block of tokens and, for a single token, a part of the
// context. Scores are never stored: the softmax is kept up as tiles of positions go by (Milakov and Gimelshein, arXiv
// 1805.02867; tiles as in FlashAttention, arXiv 2205.14135), and parts are put together at the end.
type attention struct {
	kv      *kvCache
	heads   int // query heads
	headDim int
	window  int // 0: none
	layer   int
	start   int             // position of the batch's first token
	n       int             // tokens in the batch
	q       []float32       // [n, heads·head_dim]
	out     []float32       // [n, heads·head_dim]
	parts   []attentionPart // [splits, heads]: results of a single token's tasks, where there are several a head
	scratch []attentionScratch
	doTask  func(thread, from, to int)
	doMerge func(thread, from, to int)
}

// attentionPart is the softmax of one query over some positions: the largest score, the sum of exponentials relative to it,
// and the sum of values weighted by them.
type attentionPart struct {
	max, sum float32
	out      []float32 // [head_dim]
}

// attentionScratch is one thread's working memory. A row is a query of the task: token by token, head by head.
type attentionScratch struct {
	q, out   []float32 // [rows, head_dim]; q is scaled by 1/√head_dim
	max, sum []float32 // [rows]
	scores   []float32 // [rows, PositionTile]
	tile     []float32 // [PositionTile, head_dim] keys or values
}

func newAttention(kv *kvCache, heads, headDim, threads, batch int) *attention {
	a := &attention{kv: kv, heads: heads, headDim: headDim, scratch: make([]attentionScratch, threads)}
	rows := (min(queryBlock, batch)*heads/kv.heads + 1) &^ 1
	for i := range a.scratch {
		a.scratch[i] = attentionScratch{
			q: make([]float32, rows*headDim), out: make([]float32, rows*headDim),
			max: make([]float32, rows), sum: make([]float32, rows),
			scores: make([]float32, rows*kernel.PositionTile), tile: make([]float32, kernel.PositionTile*headDim),
		}
	}
	a.doTask, a.doMerge = a.tasks, a.merge
	return a
}

// run computes a layer's attention for n tokens, the first at position start.
func (a *attention) run(p *pool, layer, window, start, n int) error {
	a.layer, a.window, a.start, a.n = layer, window, start, n
	splits := a.splits()
	if splits == 1 {
		return p.each(a.kv.heads*((n+queryBlock-1)/queryBlock), a.doTask)
	}
	for len(a.parts) < splits*a.heads {
		a.parts = append(a.parts, attentionPart{out: make([]float32, a.headDim)})
	}
	if err := p.each(a.kv.heads*splits, a.doTask); err != nil {
		return err
	}
	return p.split(a.heads, 4, a.doMerge)
}

// splits returns the number of parts that the context is cut into.
func (a *attention) splits() int {
	if a.n > 1 {
		return 1
	}
	return (a.start + 1 - a.firstVisible(0) + splitPositions - 1) / splitPositions
}

func (a *attention) tasks(thread, from, to int) {
	for task := from; task < to; task++ {
		g, i := task%a.kv.heads, task/a.kv.heads
		if a.n == 1 {
			first := a.firstVisible(0) + i*splitPositions
			a.attend(&a.scratch[thread], g, 0, 1, first, min(first+splitPositions, a.start+1))
			a.finish(&a.scratch[thread], g, 0, 1, i)
			continue
		}
		t0 := i * queryBlock
		t1 := min(a.n, t0+queryBlock)
		a.attend(&a.scratch[thread], g, t0, t1, a.firstVisible(t0), a.start+t1)
		a.finish(&a.scratch[thread], g, t0, t1, 0)
	}
}

// attend computes the softmax of the queries of tokens [t0, t1) that belong to KV head g, over positions [from, to).
func (a *attention) attend(s *attentionScratch, g, t0, t1, from, to int) {
	d, group := a.headDim, a.heads/a.kv.heads
	rows := (t1 - t0) * group
	scale := float32(1 / math.Sqrt(float64(d)))
	for r := range rows {
		src := a.query(a.q, t0, g, r)
		for i, v := range src {
			s.q[r*d+i] = v * scale
		}
		s.max[r], s.sum[r] = float32(math.Inf(-1)), 0
	}
	even := (rows + 1) &^ 1 // kernels take rows in pairs
	clear(s.q[rows*d : even*d])
	clear(s.out[:even*d])
	a.kv.segments(a.layer, g, from, to, a.start, func(seg segment) {
		for p := 0; p < seg.n; p += kernel.PositionTile {
			n := min(kernel.PositionTile, seg.n-p)
			a.kv.decode(s.tile, seg.k[p*a.kv.rowBytes:], n)
			kernel.Scores(s.scores, s.q[:even*d], s.tile, n, d)
			for r := range rows {
				s.weigh(r, d, n, a.visible(t0+r/group, seg.first+p, n))
			}
			clear(s.scores[rows*kernel.PositionTile : even*kernel.PositionTile])
			a.kv.decode(s.tile, seg.v[p*a.kv.rowBytes:], n)
			kernel.AddWeighted(s.out[:even*d], s.scores, s.tile, n, d)
		}
	})
}

// query returns row r of the task of KV head g that begins with token t0, in a matrix [batch, heads·head_dim].
func (a *attention) query(m []float32, t0, g, r int) []float32 {
	group := a.heads / a.kv.heads
	return m[((t0+r/group)*a.heads+g*group+r%group)*a.headDim:][:a.headDim]
}

// span is a part [from, to) of a tile.
type span struct{ from, to int }

// visible returns which of n positions from first on the batch's token t attends to.
func (a *attention) visible(t, first, n int) span {
	return span{max(0, a.firstVisible(t)-first), min(n, a.start+t+1-first)}
}

// firstVisible returns the first position that the batch's token t attends to.
func (a *attention) firstVisible(t int) int {
	if a.window == 0 {
		return 0
	}
	return max(0, a.start+t+1-a.window)
}

// weigh turns row r's scores of n positions into weights relative to the largest score so far, and brings what was summed
// up before into the same scale.
func (s *attentionScratch) weigh(r, d, n int, see span) {
	scores := s.scores[r*kernel.PositionTile:][:n]
	if see.from >= see.to {
		clear(scores)
		return
	}
	clear(scores[:see.from])
	clear(scores[see.to:])
	scores = scores[see.from:see.to]
	top := s.max[r]
	for _, v := range scores {
		if v > top { // several times as fast as max, which minds NaN
			top = v
		}
	}
	if top > s.max[r] {
		shrink := float32(math.Exp(float64(s.max[r] - top)))
		s.max[r] = top
		s.sum[r] *= shrink
		for i, out := 0, s.out[r*d:][:d]; i < d; i++ {
			out[i] *= shrink
		}
	}
	s.sum[r] += kernel.ExpSum(scores, top)
}

// finish stores the result of a task, whole or as part i.
func (a *attention) finish(s *attentionScratch, g, t0, t1, i int) {
	d, group := a.headDim, a.heads/a.kv.heads
	whole := a.splits() == 1
	for r := range (t1 - t0) * group {
		out := s.out[r*d:][:d]
		if whole {
			divide(a.query(a.out, t0, g, r), out, s.sum[r])
			continue
		}
		part := &a.parts[i*a.heads+g*group+r]
		part.max, part.sum = s.max[r], s.sum[r]
		copy(part.out, out)
	}
}

// merge puts the parts of heads [from, to) together.
func (a *attention) merge(_, from, to int) {
	splits := a.splits()
	for h := from; h < to; h++ {
		top := float32(math.Inf(-1))
		for i := range splits {
			top = max(top, a.parts[i*a.heads+h].max)
		}
		out := a.out[h*a.headDim:][:a.headDim]
		clear(out)
		var sum float32
		for i := range splits {
			part := &a.parts[i*a.heads+h]
			f := float32(math.Exp(float64(part.max - top)))
			sum += f * part.sum
			kernel.Axpy(out, f, part.out)
		}
		divide(out, out, sum)
	}
}

// divide stores src / by in dst.
func divide(dst, src []float32, by float32) {
	f := 1 / by
	for i, v := range src {
		dst[i] = v * f
	}
}
