package engine

import "st/runtime/kernel"

// attendRows computes attention of tokens [t0, t1) of a segment for KV head g, kernel.QueryRows queries at a time, and stores it, ready to be
// multiplied. What lies in scratch is transposed: see kernel.AttendRows.
func (a *attention) attendRows(s *attentionScratch, seg *segment, g, t0, t1 int) {
	const lanes = kernel.QueryRows
	d, group := a.headDim, a.heads/a.kvHeads
	rows := (t1 - t0) * group
	groups := (rows + lanes - 1) / lanes
	// part returns what sixteen queries have in scratch, and where they begin in a matrix of the pass. Those that lack of the last sixteen are the last one.
	part := func(i int) (q, out, state []float32, at [lanes]int) {
		for k := range at {
			r := min(i*lanes+k, rows-1)
			at[k] = ((seg.row+t0+r/group)*a.heads + g*group + r%group) * d
		}
		return s.q[i*lanes*d:][:lanes*d], s.out[i*lanes*d:][:lanes*d], s.scores[i*kernel.RowsState:][:kernel.RowsState], at
	}
	for i := range groups {
		q, out, state, at := part(i)
		kernel.BeginRows(q, out, state, a.q, &at, d, a.scale)
	}
	kv := seg.session.kv
	kv.runs(a.layer, g, a.firstVisible(seg, t0), seg.start+t1, seg.start, seg.start, a.batch, seg.row, func(seen run) {
		for p := 0; p < seen.n; p += kernel.PositionTile {
			n := min(kernel.PositionTile, seen.n-p)
			kv.decodeRun(s.tile, seen.k, p, n)
			kv.decodeRun(s.values, seen.v, p, n)
			// The next tile is prefetched meanwhile.
			next := min(kernel.PositionTile, seen.n-p-n)
			keys, values := kv.ahead(seen.k, p+n, next), kv.ahead(seen.v, p+n, next)
			everyone := a.firstVisible(seg, t1-1) <= seen.first+p && seg.start+t0+1 >= seen.first+p+n
			for i := range groups {
				q, out, state := s.q[i*lanes*d:][:lanes*d], s.out[i*lanes*d:][:lanes*d], s.scores[i*kernel.RowsState:][:kernel.RowsState]
				if everyone {
					kernel.AttendRows(q, out, state, s.tile, s.values, n, d, nil)
				} else if spans, some := a.spans(seg, t0, i*lanes, rows, seen.first+p, n); some {
					kernel.AttendRows(q, out, state, s.tile, s.values, n, d, &spans)
				}
				keys, values = prefetchPart(keys, groups-i), prefetchPart(values, groups-i)
			}
		}
	})
	for i := range groups {
		_, out, state, at := part(i)
		kernel.EndRows(a.out.F, &at, out, state, d)
	}
	for t := t0; t < t1; t++ {
		for head := g * group; head < (g+1)*group; head++ {
			a.quantize(seg.row+t, head)
		}
	}
}

// spans returns which of n positions from first on the task's queries from row r on attend to, of those that it has, and whether they attend to any.
func (a *attention) spans(seg *segment, t0, r, rows, first, n int) (spans kernel.Spans, some bool) {
	for k := range kernel.QueryRows {
		see := a.visible(seg, t0+min(r+k, rows-1)/(a.heads/a.kvHeads), first, n)
		spans.From[k], spans.To[k] = int32(see.from), int32(see.to)
		some = some || see.from < see.to
	}
	return spans, some
}
