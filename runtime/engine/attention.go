package engine

import (
	"cmp"
	"math"
	"sync/atomic"

	"st/format"
	"st/quant"
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

// attention computes softmax(q·kᵀ·scale)·v of the rows of a pass, where scale is 1/√head_dim or what the config says, causal and within the layer's
// window. One task takes a KV head, whose keys and values all query heads of its group share, and a block of a segment's rows. Of a row that is
// computed alone it takes a part of the context and some of the group's query heads.
// Scores are never stored: the softmax is kept up as tiles of positions go by (Milakov and Gimelshein, arXiv 1805.02867; tiles as in
// FlashAttention, arXiv 2205.14135), and parts are put together at the end.
type attention struct {
	heads, kvHeads int
	headDim        int
	scale          float32
	batch          *kvBatch

	segs   []segment // of the pass
	apart  bool      // every row is computed as if it were alone
	layer  int
	window int // 0: none
	jobs   []attentionJob

	q       []float32       // [rows, heads·head_dim]
	out     *kernel.Input   // [rows, heads·head_dim]
	parts   []attentionPart // results of the tasks of a row that is computed alone, where there are several a head
	arrived []atomic.Int32  // by row and head: how many of them are there
	scratch []attentionScratch
	first   int    // the job that the present tasks begin with
	between func() // is called now and then while a long segment is computed
	do      task   // doAttend, for the pool
}

// attentionJob is one task for KV head g: block i of a segment's rows, or, for query heads [from, to) of the group, part i of the context of row t,
// which is computed alone. The parts of a row begin at parts.
type attentionJob struct{ seg, g, i, from, to, t, parts int32 }

// attentionPart is the softmax of one query over some positions: the largest score, the sum of exponentials relative to it, and the sum of
// values weighted by them.
type attentionPart struct {
	max, sum float32
	out      []float32 // [head_dim]
}

// attentionScratch is one thread's working memory. A row is a query of the task: token by token, head by head.
type attentionScratch struct {
	q, out   []float32 // [rows, head_dim]; q is scaled
	max, sum []float32 // [rows]
	scores   []float32 // [rows, PositionTile]
	tile     []float32 // [PositionTile, head_dim] keys or values
	values   []float32 // [PositionTile, head_dim] values, while tile has keys; nil: kernel.AttendRows is not used
}

func newAttention(c *format.Config, threads, rows int, a *arena) *attention {
	scale := cmp.Or(c.AttentionScale, 1/math.Sqrt(float64(c.HeadDim)))
	at := &attention{heads: c.Heads, kvHeads: c.KVHeads, headDim: c.HeadDim, scale: float32(scale), scratch: make([]attentionScratch, threads)}
	n, d := (min(queryBlock, rows)*c.Heads/c.KVHeads+1)&^1, c.HeadDim
	scores, values := n*kernel.PositionTile, 0
	if rows > 1 && kernel.HasAttendRows(d) {
		n = (n + kernel.QueryRows - 1) / kernel.QueryRows * kernel.QueryRows
		scores, values = n/kernel.QueryRows*kernel.RowsState, kernel.PositionTile*d
	}
	for i := range at.scratch {
		at.scratch[i] = attentionScratch{
			q: take[float32](a, n*d), out: take[float32](a, n*d), max: take[float32](a, n), sum: take[float32](a, n),
			scores: take[float32](a, scores), tile: take[float32](a, kernel.PositionTile*d), values: take[float32](a, values),
		}
	}
	at.do = at.doAttend
	return at
}

// run computes attention to a layer's keys and values for the rows of all segments, whose own are in batch.
func (a *attention) run(p *pool, layer, window int, batch *kvBatch, segs []segment, apart bool) error {
	a.layer, a.window, a.batch, a.segs, a.apart = layer, window, batch, segs, apart
	a.jobs = a.jobs[:0]
	parts, cuts := 0, 1
	if apart {
		cuts = a.cuts(p.threads)
	}
	for s := range segs {
		seg := &segs[s]
		if !apart {
			a.add(attentionJob{seg: int32(s)}, (seg.n+queryBlock-1)/queryBlock, 1)
			continue
		}
		for t := range seg.n {
			splits := a.splits(seg, t)
			a.add(attentionJob{seg: int32(s), t: int32(t), parts: int32(parts)}, splits, cuts)
			if splits > 1 {
				parts += splits * a.heads
			}
		}
	}
	for len(a.parts) < parts {
		a.parts = append(a.parts, attentionPart{out: make([]float32, a.headDim)})
	}
	if n := (segs[len(segs)-1].row + segs[len(segs)-1].n) * a.heads; parts > 0 && len(a.arrived) < n {
		a.arrived = make([]atomic.Int32, n)
	}
	for a.first = 0; a.first < len(a.jobs); {
		n := a.jobsNow(len(a.jobs) - a.first)
		if err := p.each(n, &a.do); err != nil {
			return err
		}
		if a.first += n; a.first < len(a.jobs) {
			a.between()
		}
	}
	return nil
}

// reset forgets what a job that failed has left.
func (a *attention) reset() {
	for i := range a.arrived {
		a.arrived[i].Store(0)
	}
}

// add adds the jobs for n blocks or parts, each for all query heads of a KV head or for cuts of them: pairs, as kernels take them.
func (a *attention) add(job attentionJob, n, cuts int) {
	group := a.heads / a.kvHeads
	pairs := (group + 1) / 2
	for i := range n {
		for g := range a.kvHeads {
			for c := range cuts {
				job.g, job.i = int32(g), int32(i)
				job.from, job.to = int32(2*(pairs*c/cuts)), int32(min(group, 2*(pairs*(c+1)/cuts)))
				a.jobs = append(a.jobs, job)
			}
		}
	}
}

// decodeHeads is about the number of query heads whose products with keys and values take as long as widening these: one with AVX-512 and 2.5 with AVX2 on
// a Zen 4, 3 to 5 with AVX-512 on a Xeon.
const decodeHeads = 3

// cuts returns the number of pieces that the query heads of a KV head are cut into for rows that are computed alone, so that threads which would have
// nothing to do take some of them. Each piece widens the keys and values anew; so it is the number with which the thread that has most to do has least,
// as far as the long parts of the contexts tell. A head's bits do not depend on those beside it.
func (a *attention) cuts(threads int) int {
	longest, all := 0, 0 // positions of the longest part of a context, and of all
	for s := range a.segs {
		for t := range a.segs[s].n {
			seen := a.seen(&a.segs[s], t)
			longest, all = max(longest, min(seen, splitPositions)), all+seen*a.kvHeads
		}
	}
	long := 0 // parts that are about as long
	for s := range a.segs {
		for t := range a.segs[s].n {
			seen := a.seen(&a.segs[s], t)
			long += seen / splitPositions * a.kvHeads
			if 4*(seen%splitPositions) >= 3*longest {
				long += a.kvHeads
			}
		}
	}
	pairs, best, least := (a.heads/a.kvHeads+1)/2, 1, math.MaxInt
	for n := 1; n <= pairs; n++ {
		largest := longest * (2*((pairs+n-1)/n) + decodeHeads)
		rounds := (long*n + threads - 1) / threads
		together := 2*pairs + n*decodeHeads
		if most := max(largest, rounds*longest*together/n, all*together/threads); most < least {
			best, least = n, most
		}
	}
	return best
}

// attendWork is about how many products of a query and a key are computed between two calls of between: some 20 ms of work of two cores.
const attendWork = 4 << 20

// jobsNow returns how many of the next n jobs are computed before others may come between: all, unless their context is long.
func (a *attention) jobsNow(n int) int {
	if a.apart {
		return n
	}
	work := 0
	for i, job := range a.jobs[a.first:][:n] {
		seg := &a.segs[job.seg]
		if work += min(seg.n, queryBlock) * a.heads / a.kvHeads * (seg.start + seg.n - a.firstVisible(seg, 0)); work >= attendWork {
			return i + 1
		}
	}
	return n
}

// splits returns the number of parts that the context of a segment's token t is cut into, which is computed alone.
func (a *attention) splits(seg *segment, t int) int {
	return (a.seen(seg, t) + splitPositions - 1) / splitPositions
}

// seen returns the number of positions that a segment's token t attends to.
func (a *attention) seen(seg *segment, t int) int { return seg.start + t + 1 - a.firstVisible(seg, t) }

// positions returns which positions a job of a row that is computed alone takes.
func (a *attention) positions(job *attentionJob) (from, to int) {
	seg, t := &a.segs[job.seg], int(job.t)
	from = a.firstVisible(seg, t) + int(job.i)*splitPositions
	return from, min(from+splitPositions, seg.start+t+1)
}

func (a *attention) doAttend(thread, from, to int) {
	scratch := &a.scratch[thread]
	for _, job := range a.jobs[a.first:][from:to] {
		seg, g, i := &a.segs[job.seg], int(job.g), int(job.i)
		if a.apart {
			t, r0, r1 := int(job.t), int(job.from), int(job.to)
			first, end := a.positions(&job)
			a.attend(scratch, seg, g, t, r0, r1, first, end)
			if splits := a.splits(seg, t); splits > 1 {
				a.keep(scratch, g, r0, r1, int(job.parts)+i*a.heads)
				for h := g*a.heads/a.kvHeads + r0; h < g*a.heads/a.kvHeads+r1; h++ {
					a.merge(seg.row+t, h, splits, a.parts[job.parts:])
				}
				continue
			}
			a.finish(scratch, seg, g, t, r0, r1)
			continue
		}
		t0 := i * queryBlock
		t1 := min(seg.n, t0+queryBlock)
		rows := (t1 - t0) * a.heads / a.kvHeads
		if scratch.values != nil {
			a.attendRows(scratch, seg, g, t0, t1)
			continue
		}
		a.attend(scratch, seg, g, t0, 0, rows, a.firstVisible(seg, t0), seg.start+t1)
		a.finish(scratch, seg, g, t0, 0, rows)
	}
}

// attend computes the softmax of rows [r0, r1) of the task of KV head g whose first token is t0, over positions [from, to).
func (a *attention) attend(s *attentionScratch, seg *segment, g, t0, r0, r1, from, to int) {
	d, group := a.headDim, a.heads/a.kvHeads
	rows := r1 - r0
	for r := range rows {
		kernel.Scale(s.q[r*d:][:d], a.scale, a.query(a.q, seg.row+t0, g, r0+r))
		s.max[r], s.sum[r] = float32(math.Inf(-1)), 0
	}
	even := (rows + 1) &^ 1 // kernels take rows in pairs
	clear(s.q[rows*d : even*d])
	clear(s.out[:even*d])
	kv, own := seg.session.kv, seg.start
	if a.apart {
		own += t0 // as if the rows before it had been committed
	}
	f16 := a.apart && kv.typ == quant.F16 && kernel.AttendsF16(even, d)
	kv.runs(a.layer, g, from, to, seg.start, own, a.batch, seg.row, func(seen run) {
		for p := 0; p < seen.n; p += kernel.PositionTile {
			n := min(kernel.PositionTile, seen.n-p)
			// What is needed next is prefetched meanwhile: a tile of values, and then of keys.
			values, keys := kv.ahead(seen.v, p, n), kv.ahead(seen.k, p+n, min(kernel.PositionTile, seen.n-p-n))
			if k, v := kv.together(seen.k, p, n), kv.together(seen.v, p, n); k != nil && f16 {
				kernel.ScoresF16(s.scores, s.q[:even*d], k, n, d, values)
				for r := range rows {
					s.weigh(r, d, n, a.visible(seg, t0+(r0+r)/group, seen.first+p, n))
				}
				clear(s.scores[rows*kernel.PositionTile : even*kernel.PositionTile])
				kernel.AddWeightedF16(s.out[:even*d], s.scores, v, n, d, keys)
				continue
			}
			kv.decodeRun(s.tile, seen.k, p, n)
			for r := 0; r < even; r += 2 {
				kernel.Scores(s.scores[r*kernel.PositionTile:], s.q[r*d:][:2*d], s.tile, n, d)
				values = prefetchPart(values, (even-r)/2)
			}
			for r := range rows {
				s.weigh(r, d, n, a.visible(seg, t0+(r0+r)/group, seen.first+p, n))
			}
			clear(s.scores[rows*kernel.PositionTile : even*kernel.PositionTile])
			kv.decodeRun(s.tile, seen.v, p, n)
			for r := 0; r < even; r += 2 {
				kernel.AddWeighted(s.out[r*d:][:2*d], s.scores[r*kernel.PositionTile:], s.tile, n, d)
				keys = prefetchPart(keys, (even-r)/2)
			}
		}
	})
}

// prefetchPart prefetches one of so many parts of b, and returns the others.
func prefetchPart(b []byte, parts int) []byte {
	n := (len(b) + parts - 1) / parts
	kernel.Prefetch(b[:n])
	return b[n:]
}

// query returns row r of the task of KV head g whose first token is the given row of the pass, in a matrix [rows, heads·head_dim].
func (a *attention) query(m []float32, row, g, r int) []float32 {
	group := a.heads / a.kvHeads
	return m[((row+r/group)*a.heads+g*group+r%group)*a.headDim:][:a.headDim]
}

// span is a part [from, to) of a tile.
type span struct{ from, to int }

// visible returns which of n positions from first on a segment's token t attends to.
func (a *attention) visible(seg *segment, t, first, n int) span {
	return span{max(0, a.firstVisible(seg, t)-first), min(n, seg.start+t+1-first)}
}

// firstVisible returns the first position that a segment's token t attends to.
func (a *attention) firstVisible(seg *segment, t int) int {
	if a.window == 0 {
		return 0
	}
	return max(0, seg.start+t+1-a.window)
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
	if top := kernel.Max(scores, s.max[r]); top > s.max[r] {
		shrink := float32(math.Exp(float64(s.max[r] - top)))
		s.max[r] = top
		s.sum[r] *= shrink
		kernel.Scale(s.out[r*d:][:d], shrink, s.out[r*d:][:d])
	}
	s.sum[r] += kernel.ExpSum(scores, s.max[r])
}

// finish stores the result of a task, ready to be multiplied.
func (a *attention) finish(s *attentionScratch, seg *segment, g, t0, r0, r1 int) {
	d, group := a.headDim, a.heads/a.kvHeads
	for r := range r1 - r0 {
		row, head := seg.row+t0+(r0+r)/group, g*group+(r0+r)%group
		kernel.Scale(a.out.Row(row)[head*d:][:d], 1/s.sum[r], s.out[r*d:][:d])
		a.quantize(row, head)
	}
}

// quantize makes a head's output ready to be multiplied, if it is made of whole blocks.
func (a *attention) quantize(row, head int) {
	if a.headDim%quant.BlockSize == 0 {
		a.out.QuantizePart(row, head*a.headDim, (head+1)*a.headDim)
	}
}

// keep stores the result of a task as a part of one row's, whose heads begin at parts.
func (a *attention) keep(s *attentionScratch, g, r0, r1, parts int) {
	d, group := a.headDim, a.heads/a.kvHeads
	for r := range r1 - r0 {
		part := &a.parts[parts+g*group+r0+r]
		part.max, part.sum = s.max[r], s.sum[r]
		copy(part.out, s.out[r*d:][:d])
	}
}

// merge puts the parts of head h of a row together if all are there with one that was kept.
func (a *attention) merge(row, h, splits int, parts []attentionPart) {
	arrived := &a.arrived[row*a.heads+h]
	if int(arrived.Add(1)) < splits {
		return
	}
	arrived.Store(0)
	top := float32(math.Inf(-1))
	for i := range splits {
		top = max(top, parts[i*a.heads+h].max)
	}
	out := a.out.Row(row)[h*a.headDim:][:a.headDim]
	clear(out)
	var sum float32
	for i := range splits {
		part := &parts[i*a.heads+h]
		f := float32(math.Exp(float64(part.max - top)))
		sum += f * part.sum
		kernel.Axpy(out, f, part.out)
	}
	kernel.Scale(out, 1/sum, out)
	a.quantize(row, h)
}
