package kernel

import "st/quant"

// Scratch is working memory for one thread.
type Scratch struct {
	rows   [2][]float32
	gates  []float32
	active []int32
}

func (s *Scratch) row(n int) []float32 { return grow(&s.rows[0], n) }

func grow(b *[]float32, n int) []float32 {
	if cap(*b) < n {
		*b = make([]float32, n)
	}
	return (*b)[:n]
}

// Expert is one expert's feed-forward: Gate and Up are [neurons, hidden], Down is stored transposed, [neurons, hidden], so
// that a neuron is one row in each.
type Expert struct{ Gate, Up, Down Matrix }

// ReGLU adds the part of an expert's output that its neurons in gate units [from, to) make:
//
//	y[idx[t]] += weights[t] · Σ_j down_j · (up_j·x) · relu(gate_j·x)      x = vector idx[t] of the input
//
// y is [batch, hidden] and indexed as x is; it belongs to the caller's thread, which makes the sum's order, and so the
// result, independent of timing. Only neurons whose gate is positive read their up and down rows (SmallThinker, arXiv
// 2507.20984, section 2). It returns the number of active (token, neuron) pairs.
func (e *Expert) ReGLU(y []float32, from, to int, x *Input, idx []int32, weights []float32, scratch *Scratch) (active int) {
	n := e.Gate.UnitRows()
	// As many units at a time as have a few kilobytes of gates: that many active neurons are known ahead.
	batch := max(1, gatesAtATime/max(1, n*len(idx)))
	for ; from < to; from += batch {
		units := min(batch, to-from)
		// A window on the gate matrix, so that the units' rows land at the start of gates.
		window := e.Gate
		window.Data = e.Gate.Data[from*e.Gate.Stride:]
		window.Rows = min(units*n, e.Gate.Rows-from*n)
		gates := grow(&scratch.gates, len(idx)*window.Rows)
		Mul(gates, window.Rows, &window, 0, units, x, idx, scratch)
		active += e.neurons(y, from*n, gates, x, idx, weights, scratch)
	}
	return active
}

// gatesAtATime is the number of gates that are computed before the neurons behind them.
const gatesAtATime = 4096

// neurons is ReGLU for the neurons from first on whose gates are given, [len(idx), neurons].
func (e *Expert) neurons(y []float32, first int, gates []float32, x *Input, idx []int32, weights []float32, scratch *Scratch) (active int) {
	n, hidden := len(gates)/len(idx), e.Down.Cols
	list := scratch.active[:0]
	for j := range n {
		for t := range idx {
			if gates[t*n+j] > 0 {
				list = append(list, int32(j))
				break
			}
		}
	}
	scratch.active = list
	for i, j := range list {
		up, down := newRowReader(&e.Up, first+int(j)), newRowReader(&e.Down, first+int(j))
		if i+1 < len(list) {
			next := first + int(list[i+1])
			e.Up.prefetch(next)
			e.Down.prefetch(next)
		}
		pairs := 0
		for t := range idx {
			if gates[t*n+int(j)] > 0 {
				pairs++
			}
		}
		active += pairs
		up.decode(&scratch.rows[0], !up.m.quantized())
		down.decode(&scratch.rows[1], !down.m.quantized() || pairs > 1)
		for t, i := range idx {
			if g := gates[t*n+int(j)]; g > 0 {
				h := g * up.dot(x, int(i)) * weights[t]
				down.axpy(y[int(i)*hidden:][:hidden], h)
			}
		}
	}
	return active
}

// rowReader multiplies with one row of a matrix, as it lies in memory or decoded.
type rowReader struct {
	m              *Matrix
	quants, scales []byte
	floats         []float32 // the decoded row, if it was asked for
}

func newRowReader(m *Matrix, row int) rowReader {
	q, s := m.row(row)
	return rowReader{m: m, quants: q, scales: s}
}

// decode decodes the row if it is needed as floats: if its type is multiplied so, or if several tokens share the work.
func (r *rowReader) decode(room *[]float32, needed bool) {
	if needed {
		r.floats = grow(room, r.m.Cols)
		Decode(r.m.Type, r.floats, r.quants, r.scales)
	}
}

func (r *rowReader) dot(x *Input, i int) float32 {
	if r.floats != nil {
		return dot(r.floats, x.Row(i))
	}
	v := x.vector(i)
	return dotRow(r.m.Type, r.quants, r.scales, &v)
}

func (r *rowReader) axpy(y []float32, f float32) {
	switch {
	case r.floats != nil:
		axpy(y, f, r.floats)
	case r.m.Type == quant.Q4_0:
		axpyQ4(y, f, r.quants, r.scales)
	default:
		axpyQ8(y, f, r.quants, r.scales)
	}
}
