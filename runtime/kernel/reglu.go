package kernel

import (
	"math/bits"

	"st/quant"
)

// Expert is one expert's feed-forward: Gate and Up are [neurons, hidden], Down is stored transposed, [neurons, hidden], so
// that a neuron is one row in each. For a token x with gates g = Gate·x it is
//
//	y = Σ_j down_j · (up_j·x) · relu(g_j)
//
// Only neurons whose gate is positive read their rows of up and down (SmallThinker, arXiv 2507.20984, section 2). Gates are
// computed by [Mul].
type Expert struct{ Gate, Up, Down Matrix }

// NeuronsAtOnce is how many Q4_0 neurons the assembly of [Expert.Neurons] computes together; those that a multiple of it leaves over take longer.
const NeuronsAtOnce = 4

// Neurons adds neurons of one token to y [hidden]: down_j · (up_j·x) · h[i] for every j = neurons[i], in order. x is vector t
// of the input, and h are the gates times the expert's weight. Meanwhile it prefetches the first neurons of next.
func (e *Expert) Neurons(y []float32, neurons []int32, h []float32, x *Input, t int, next Next, scratch *Scratch) {
	if e.Up.Type == quant.Q4_0 && e.Down.Type == quant.Q4_0 && e.Up.Stride == e.Down.Stride {
		v := x.vector(t)
		neuronsQ4(y[:e.Down.Cols], neurons, h, &e.Up, &e.Down, &v, next)
		return
	}
	for i, j := range neurons {
		if i+1 < len(neurons) {
			e.Up.prefetch(int(neurons[i+1]))
			e.Down.prefetch(int(neurons[i+1]))
		}
		e.neuron(y, int(j), h[i], x, t, scratch)
	}
}

// ListActive lists the neurons whose gate is positive, in order, in neurons, and their gates times weight in h, and returns how many they are. Both have
// room for all of gates. It has no branch on a gate, since no processor predicts which gates are positive.
func ListActive(neurons []int32, h, gates []float32, weight float32) (n int) {
	neurons, h = neurons[:len(gates)], h[:len(gates)]
	at, n := listActive(neurons, h, gates, weight)
	var masks [MaxBlock]uint64
	for at < len(gates) {
		chunk := gates[at:min(len(gates), at+MaxBlock*chunkRows)]
		whole := len(chunk) / chunkRows
		positive(&masks, chunk[:whole*chunkRows])
		if rest := chunk[whole*chunkRows:]; whole == 0 {
			var last [chunkRows]float32
			copy(last[:], rest)
			positive(&masks, last[:])
			whole, chunk = 1, rest
		}
		for i, m := range masks[:whole] {
			for first := at + i*chunkRows; m != 0; m &= m - 1 {
				j := first + bits.TrailingZeros64(m)
				neurons[n], h[n] = int32(j), gates[j]*weight
				n++
			}
		}
		at += min(len(chunk), whole*chunkRows)
	}
	return n
}

// Next are the neurons of an expert that the thread computes next, as far as it is known: they are scattered, so no hardware foresees them. A wrong
// guess costs time alone. The zero value is none.
type Next struct {
	Expert  *Expert
	Neurons []int32
}

// row returns where the i-th neuron begins, or other if there are fewer.
func (n *Next) row(i int, other *byte) *byte {
	if i >= len(n.Neurons) {
		return other
	}
	return &n.Expert.Up.Data[int(n.Neurons[i])*n.Expert.Up.Stride]
}

// neuron is Neurons for one.
func (e *Expert) neuron(y []float32, j int, h float32, x *Input, t int, scratch *Scratch) {
	f := h * e.upDot(j, x, t, scratch)
	y = y[:e.Down.Cols]
	quants, scales := e.Down.row(j)
	switch typ := e.Down.Type; {
	case typ == quant.Q4_0:
		axpyQ4(y, f, quants, scales)
	case typ == quant.Q8_0:
		axpyQ8(y, f, quants, scales)
	case hasHalf(typ):
		axpyHalf(typ, y, f, quants)
	default:
		row := grow(&scratch.down, e.Down.Cols)
		Decode(typ, row, quants, scales)
		axpy(y, f, row)
	}
}

// upDot multiplies row j of up with vector t of x.
func (e *Expert) upDot(j int, x *Input, t int, scratch *Scratch) float32 {
	quants, scales := e.Up.row(j)
	if !e.Up.quantized() {
		return dotFloats(e.Up.Type, quants, x.Row(t), false, scratch)
	}
	v := x.vector(t)
	return dotRow(e.Up.Type, quants, scales, &v)
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

func (r *upRow) dot(x *Input, t int) float32 {
	if r.floats != nil {
		return dot(r.floats, x.Row(t))
	}
	v := x.vector(t)
	return dotRow(r.typ, r.quants, r.scales, &v)
}
