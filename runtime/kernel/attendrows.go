package kernel

import "math"

// Sixteen queries at a time attend to tiles of positions, in registers that have a number of each: nothing is summed across a register, and neither
// the softmax nor the scores of what a query does not see need a loop over queries. Queries and outputs are transposed for that.
const (
	// QueryRows is the number of queries that AttendRows takes.
	QueryRows = 16
	// rowsMax and rowsSum are where the largest score and the sum of the weights lie in the state of QueryRows queries, after the weights of a tile.
	rowsMax = PositionTile * QueryRows
	rowsSum = rowsMax + QueryRows
	// RowsState is the size of that state, in numbers.
	RowsState = rowsSum + QueryRows
	// noScore is less than any score.
	noScore = -3e38
)

// Spans are the positions [from, to) of a tile that each of QueryRows queries attends to.
type Spans struct{ From, To [QueryRows]int32 }

// BeginRows makes q [d, QueryRows] of QueryRows queries, which begin at src[at[i]], times scale, and clears what they have come to.
func BeginRows(q, out, state, src []float32, at *[QueryRows]int, d int, scale float32) {
	clear(out[:d*QueryRows])
	for i := range QueryRows {
		state[rowsMax+i], state[rowsSum+i] = noScore, 0
		_ = src[at[i]:][:d]
	}
	transposeRows(q[:d*QueryRows], src, at, d, scale)
}

// AttendRows adds what QueryRows queries attend to in a tile of n positions, whose keys are k and whose values are v [PositionTile, d], to out [d, QueryRows]:
// the sum of values, weighted by exp of their scores relative to the largest so far. If spans is nil, every query attends to all of them.
func AttendRows(q, out, state, k, v []float32, n, d int, spans *Spans) {
	if n < 1 || n > PositionTile {
		panic("kernel: a tile has no such number of positions")
	}
	attendRows(q[:d*QueryRows], out[:d*QueryRows], state[:RowsState], k[:PositionTile*d], v[:PositionTile*d], n, d, spans)
}

// EndRows stores what the queries came to at dst[at[i]].
func EndRows(dst []float32, at *[QueryRows]int, out, state []float32, d int) {
	for i := range QueryRows {
		_ = dst[at[i]:][:d]
	}
	restoreRows(dst, at, out[:d*QueryRows], state[:RowsState], d)
}

func transposeRowsGeneric(q, src []float32, at *[QueryRows]int, d int, scale float32) {
	for i := range QueryRows {
		for c, x := range src[at[i]:][:d] {
			q[c*QueryRows+i] = x * scale
		}
	}
}

func restoreRowsGeneric(dst []float32, at *[QueryRows]int, out, state []float32, d int) {
	for i := range QueryRows {
		scale := 1 / state[rowsSum+i]
		for c := range dst[at[i]:][:d] {
			dst[at[i]+c] = out[c*QueryRows+i] * scale
		}
	}
}

func exp32(x float32) float32 { return float32(math.Exp(float64(x))) }

// attendRowsGeneric is AttendRows for each query.
func attendRowsGeneric(q, out, state, k, v []float32, n, d int, spans *Spans) {
	for i := range QueryRows {
		from, to := 0, n
		if spans != nil {
			from, to = max(0, int(spans.From[i])), min(n, int(spans.To[i]))
		}
		top := state[rowsMax+i]
		for p := range n {
			var s float32
			for c := range d {
				s += q[c*QueryRows+i] * k[p*d+c]
			}
			state[p*QueryRows+i] = s
			if from <= p && p < to {
				top = max(top, s)
			}
		}
		shrink := exp32(state[rowsMax+i] - top)
		state[rowsMax+i] = top
		state[rowsSum+i] *= shrink
		for c := range d {
			out[c*QueryRows+i] *= shrink
		}
		for p := range n {
			w := float32(0)
			if from <= p && p < to {
				w = exp32(state[p*QueryRows+i] - top)
			}
			state[p*QueryRows+i] = w
			state[rowsSum+i] += w
			for c := range d {
				out[c*QueryRows+i] += w * v[p*d+c]
			}
		}
	}
}
