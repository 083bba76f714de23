package kernel

// Scratch is working memory for one thread.
type Scratch struct {
	rows  [2][]float32
	gates []float32
}

func (s *Scratch) row(n int) []float32    { return grow(&s.rows[0], n) }
func (s *Scratch) second(n int) []float32 { return grow(&s.rows[1], n) }

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
	hidden := e.Down.Cols
	gates := grow(&scratch.gates, len(idx)*n)
	for u := from; u < to; u++ {
		// One unit at a time: dst is offset so that the unit's rows land at the start of gates.
		rows := min(n, e.Gate.Rows-u*n)
		unit := e.Gate
		unit.Data, unit.Rows = e.Gate.Data[u*e.Gate.Stride:], rows
		Mul(gates, n, &unit, 0, 1, x, idx, scratch)
		for r := range rows {
			j := u*n + r
			var up, down rowReader
			for t, i := range idx {
				g := gates[t*n+r]
				if !(g > 0) {
					continue
				}
				active++
				if up.m == nil {
					up = newRowReader(&e.Up, j, scratch.row)
					down = newRowReader(&e.Down, j, scratch.second)
				}
				h := g * up.dot(x, int(i)) * weights[t]
				down.axpy(y[int(i)*hidden:][:hidden], h)
			}
		}
	}
	return active
}

// rowReader multiplies with one row of a matrix, several times if need be: floats are decoded once.
type rowReader struct {
	m              *Matrix
	quants, scales []byte
	alloc          func(int) []float32
	floats         []float32 // the decoded row, once it was needed
}

func newRowReader(m *Matrix, row int, alloc func(int) []float32) rowReader {
	q, s := m.row(row)
	return rowReader{m: m, quants: q, scales: s, alloc: alloc}
}

func (r *rowReader) decode() []float32 {
	if r.floats == nil {
		r.floats = r.alloc(r.m.Cols)
		r.m.Type.Decode(r.floats, r.quants, r.scales)
	}
	return r.floats
}

func (r *rowReader) dot(x *Input, i int) float32 {
	if r.m.quantized() {
		return dotRow(r.m.Type, r.quants, r.scales, x, i)
	}
	return dotGeneric(r.decode(), x.Row(i))
}

func (r *rowReader) axpy(y []float32, f float32) { axpyGeneric(y, f, r.decode()) }
