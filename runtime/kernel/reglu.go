package kernel

import "st/quant"

// Scratch is working memory for one thread.
type Scratch struct {
	up       []float32 // a row of up, or of another matrix
	down     []float32 // rows of down
	gates    []float32
	products []float32
	active   []int32 // neurons
}

func (s *Scratch) row(n int) []float32 { return grow(&s.up, n) }

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
	if len(idx) > 1 {
		return e.shared(y, first, gates, x, idx, weights, scratch)
	}
	out := y[int(idx[0])*hidden:][:hidden]
	for i, j := range list {
		e.prefetch(first, list[i+1:])
		up := e.upRow(first+int(j), scratch)
		h := gates[j] * up.dot(x, idx[0]) * weights[0]
		quants, scales := e.Down.row(first + int(j))
		switch e.Down.Type {
		case quant.Q4_0:
			axpyQ4(out, h, quants, scales)
		case quant.Q8_0:
			axpyQ8(out, h, quants, scales)
		default:
			row := grow(&scratch.down, hidden)
			Decode(e.Down.Type, row, quants, scales)
			axpy(out, h, row)
		}
	}
	return len(list)
}

// rowsAtATime is the number of down rows that are kept decoded: they fit in the L2 cache.
const rowsAtATime = 16

// shared is neurons for the active ones in scratch and several tokens, which share the work of decoding down rows. A token
// takes up to four rows at once: one by one, it would wait for loads and stores of its output.
func (e *Expert) shared(y []float32, first int, gates []float32, x *Input, idx []int32, weights []float32, scratch *Scratch) (active int) {
	n, hidden := len(gates)/len(idx), e.Down.Cols
	decoded := grow(&scratch.down, rowsAtATime*hidden)
	h := grow(&scratch.products, rowsAtATime*len(idx)) // [row, token]
	for list := scratch.active; len(list) > 0; {
		rows := list[:min(rowsAtATime, len(list))]
		for k, j := range rows {
			e.prefetch(first, list[k+1:])
			up := e.upRow(first+int(j), scratch)
			for t, i := range idx {
				if g := gates[t*n+int(j)]; g > 0 {
					h[k*len(idx)+t] = g * up.dot(x, i) * weights[t]
				}
			}
			quants, scales := e.Down.row(first + int(j))
			Decode(e.Down.Type, decoded[k*hidden:][:hidden], quants, scales)
		}
		for t, i := range idx {
			out := y[int(i)*hidden:][:hidden]
			var f [4]float32
			var src [4][]float32
			m := 0
			for k, j := range rows {
				if !(gates[t*n+int(j)] > 0) {
					continue
				}
				active++
				f[m], src[m] = h[k*len(idx)+t], decoded[k*hidden:][:hidden]
				if m++; m == len(f) {
					axpy4(out, &f, &src)
					m = 0
				}
			}
			for k := range m {
				axpy(out, f[k], src[k])
			}
		}
		list = list[len(rows):]
	}
	return active
}

// upRow is a row of up, as it lies in memory or, if its type is multiplied so, decoded.
type upRow struct {
	typ            quant.Type
	quants, scales []byte
	floats         []float32
}

func (e *Expert) upRow(j int, scratch *Scratch) upRow {
	r := upRow{typ: e.Up.Type}
	r.quants, r.scales = e.Up.row(j)
	if !e.Up.quantized() {
		r.floats = scratch.row(e.Up.Cols)
		Decode(r.typ, r.floats, r.quants, r.scales)
	}
	return r
}

func (r *upRow) dot(x *Input, i int32) float32 {
	if r.floats != nil {
		return dot(r.floats, x.Row(int(i)))
	}
	v := x.vector(int(i))
	return dotRow(r.typ, r.quants, r.scales, &v)
}

// prefetch asks for the rows of the neuron that comes next, if there is one.
func (e *Expert) prefetch(first int, next []int32) {
	if len(next) > 0 {
		e.Up.prefetch(first + int(next[0]))
		e.Down.prefetch(first + int(next[0]))
	}
}
