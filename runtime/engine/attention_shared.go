package engine

import (
	"math"

	"st/quant"
	"st/runtime/kernel"
)

// A short context of a row that is computed alone is one part for every KV head: fewer tasks than threads, and as long as the memory takes to give its
// keys and values to one core. The threads share such a part in two jobs: scores by tiles of positions, then the weighted sums of values by dimensions and
// query heads. Neither changes a bit: a score is of one position, a sum of one dimension, over all positions in order.

// attentionShare is a task of a part that threads share: the scores of tiles [from, to) of it, or, with what query heads [r0, r1) make of all its scores,
// dimensions [from, to) of the values.
type attentionShare struct{ job, from, to, r0, r1 int32 }

// sharedPositions is the fewest positions that are shared: a second job costs more than it brings where there are few.
const sharedPositions = 64

// valueDims is the number of dimensions that a task of a shared part takes: a cache line of float16, or two.
func (a *attention) valueDims() int {
	for _, n := range []int{64, 32} {
		if a.headDim%n == 0 {
			return n
		}
	}
	return a.headDim
}

// isShared reports whether threads share the parts of the rows, which are computed alone.
func (a *attention) isShared(threads int) bool {
	parts, most := 0, 0
	for s := range a.segs {
		for t := range a.segs[s].n {
			parts += a.splits(&a.segs[s], t) * a.kvHeads
			most = max(most, a.segs[s].start+t+1-a.firstVisible(&a.segs[s], t))
		}
	}
	return parts < threads && most >= sharedPositions
}

// runShared runs the jobs, each of one part of the context for all query heads of a KV head.
func (a *attention) runShared(p *pool) error {
	group := a.heads / a.kvHeads
	even := (group + 1) &^ 1
	tiles := 0
	for i := range a.jobs {
		a.jobs[i].tile = int32(tiles)
		a.tiles(&a.jobs[i], func(run, int, int) { tiles++ })
	}
	if n := tiles * even * kernel.PositionTile; len(a.scores) < n {
		a.scores = make([]float32, n)
	}
	some := int32((tiles + p.threads - 1) / p.threads)
	a.shared = a.shared[:0]
	for i := range a.jobs {
		end := int32(tiles)
		if i+1 < len(a.jobs) {
			end = a.jobs[i+1].tile
		}
		for k := int32(0); k < end-a.jobs[i].tile; k += some {
			a.shared = append(a.shared, attentionShare{job: int32(i), from: k, to: min(k+some, end-a.jobs[i].tile)})
		}
	}
	if err := p.each(len(a.shared), &a.do.scores); err != nil {
		return err
	}
	a.shared = a.shared[:0]
	dims, pairs := a.valueDims(), even/2
	a.slices = a.headDim / dims
	cuts := max(1, min(p.threads/(len(a.jobs)*a.slices), pairs))
	for i := range a.jobs {
		for c := range cuts {
			for from := 0; from < a.headDim; from += dims {
				a.shared = append(a.shared, attentionShare{job: int32(i), from: int32(from), to: int32(from + dims),
					r0: int32(2 * (pairs * c / cuts)), r1: int32(min(group, 2*(pairs*(c+1)/cuts)))})
			}
		}
	}
	return p.each(len(a.shared), &a.do.values)
}

// positions returns which positions a job of a row that is computed alone takes.
func (a *attention) positions(job *attentionJob) (from, to int) {
	seg, t := &a.segs[job.seg], int(job.t)
	from = a.firstVisible(seg, t) + int(job.i)*splitPositions
	return from, min(from+splitPositions, seg.start+t+1)
}

// tiles calls do with the n positions from the p-th on of a run, for every tile of the job of a row that is computed alone.
func (a *attention) tiles(job *attentionJob, do func(seen run, p, n int)) {
	seg := &a.segs[job.seg]
	from, to := a.positions(job)
	seg.session.kv.runs(a.layer, int(job.g), from, to, seg.start, seg.start+int(job.t), a.batch, seg.row, func(seen run) {
		for p := 0; p < seen.n; p += kernel.PositionTile {
			do(seen, p, min(kernel.PositionTile, seen.n-p))
		}
	})
}

// doScores computes scores of shared parts, of all query heads of their KV heads.
func (a *attention) doScores(thread, from, to int) {
	s, d, group := &a.scratch[thread], a.headDim, a.heads/a.kvHeads
	even := (group + 1) &^ 1
	for _, task := range a.shared[from:to] {
		job := &a.jobs[task.job]
		kv := a.segs[job.seg].session.kv
		for r := range group {
			kernel.Scale(s.q[r*d:][:d], a.scale, a.query(a.q, a.segs[job.seg].row+int(job.t), int(job.g), r))
		}
		clear(s.q[group*d : even*d])
		f16, tile := kv.typ == quant.F16 && kernel.AttendsF16(even, d), int32(0)
		a.tiles(job, func(seen run, p, n int) {
			if tile++; tile <= task.from || tile > task.to {
				return
			}
			dst := a.scores[int(job.tile+tile-1)*even*kernel.PositionTile:][:even*kernel.PositionTile]
			if k := kv.together(seen.k, p, n); k != nil && f16 {
				var next []byte
				if tile < task.to {
					next = kv.ahead(seen.k, p+n, min(kernel.PositionTile, seen.n-p-n))
				}
				kernel.ScoresF16(dst, s.q[:even*d], k, n, d, next)
				return
			}
			kv.decodeRun(s.tile, seen.k, p, n)
			kernel.Scores(dst, s.q[:even*d], s.tile, n, d)
		})
	}
}

// doValues makes weights of the scores of shared parts, and sums values up with them.
func (a *attention) doValues(thread, from, to int) {
	s := &a.scratch[thread]
	for _, task := range a.shared[from:to] {
		job := &a.jobs[task.job]
		seg, t := &a.segs[job.seg], int(job.t)
		a.sumValues(s, job, task)
		row, h0, d0, d1 := seg.row+t, int(job.g)*a.heads/a.kvHeads, int(task.from), int(task.to)
		splits := a.splits(seg, t)
		for r := range int(task.r1 - task.r0) {
			h, out := h0+int(task.r0)+r, s.out[r*(d1-d0):][:d1-d0]
			if splits > 1 {
				part := &a.parts[int(job.parts)+int(job.i)*a.heads+h]
				copy(part.out[d0:d1], out)
				if d0 == 0 {
					part.max, part.sum = s.max[r], s.sum[r]
				}
				a.merge(row, h, splits, a.slices, a.parts[job.parts:])
				continue
			}
			kernel.Scale(a.out.Row(row)[h*a.headDim:][d0:d1], 1/s.sum[r], out)
			a.quantize(row, h, d0, d1)
		}
	}
}

// sumValues computes a task of doValues in the thread's scratch.
func (a *attention) sumValues(s *attentionScratch, job *attentionJob, task attentionShare) {
	seg, t := &a.segs[job.seg], int(job.t)
	kv, all := seg.session.kv, (a.heads/a.kvHeads+1)&^1
	d0, d1, r0, rows := int(task.from), int(task.to), int(task.r0), int(task.r1-task.r0)
	d, even := d1-d0, (rows+1)&^1
	for r := range rows {
		s.max[r], s.sum[r] = float32(math.Inf(-1)), 0
	}
	clear(s.out[:even*d])
	tile := int(job.tile)
	a.tiles(job, func(seen run, p, n int) {
		copy(s.scores[:rows*kernel.PositionTile], a.scores[(tile*all+r0)*kernel.PositionTile:])
		tile++
		for r := range rows {
			s.weigh(r, d, n, a.visible(seg, t, seen.first+p, n))
		}
		clear(s.scores[rows*kernel.PositionTile : even*kernel.PositionTile])
		kv.decodePart(s.tile, seen.v, p, n, d0, d1)
		kernel.AddWeighted(s.out[:even*d], s.scores, s.tile, n, d)
	})
}
