package kernel

import "st/quant"

// Dense is a feed-forward whose activation leaves no neuron out, of an expert or of a whole layer: SwiGLU or GeGLU (Shazeer, arXiv
// 2002.05202). Gate and Up are [ffn, hidden], Down is [hidden, ffn], each of any type and layout. For a token x it is
//
//	h_j = activation(gate_j·x) · (up_j·x)
//	y   = Down·h
//
// [Dense.Hidden] computes h, in parts that threads share. Where Down is of a block type, h is then quantized ([Input.Quantize]),
// and y comes from [MulEach].
type Dense struct {
	Gate, Up, Down Matrix
	// Activation stores the activations of gate times up in dst; nil: [SiLUMul].
	Activation func(dst, gate, up []float32)
}

// Units returns the number of parts that h is split into: sixteen neurons each, whatever the layout of Gate and Up.
func (d *Dense) Units() int { return (d.Gate.Rows + quant.GroupRows - 1) / quant.GroupRows }

// Hidden computes neurons of units [from, to) for vectors idx of x: h[t·stride + j] = activation(gate_j·x) · (up_j·x) for vector idx[t],
// for every t. stride is at least Gate.Rows, x.Cols is Gate.Cols. A vector's result does not depend on the others, nor on how the
// units are shared out. scratch is for the caller's thread alone.
func (d *Dense) Hidden(h []float32, stride, from, to int, x *Input, idx []int32, scratch *Scratch) {
	if len(idx) == 0 {
		return
	}
	if packable(&d.Gate, len(idx)) && packable(&d.Up, len(idx)) {
		done := d.hiddenPacked(h, stride, from, to, x, idx, scratch)
		if done == len(idx) {
			return
		}
		h, idx = h[done*stride:], idx[done:]
	}
	activate := d.activation()
	step := max(1, hiddenUps/len(idx)/quant.GroupRows) // units at a time
	ups := grow(&scratch.ups, len(idx)*step*quant.GroupRows)
	for ; from < to; from += step {
		first, n := from*quant.GroupRows, min(step, to-from)*quant.GroupRows
		gate, up := d.Gate.rows(first, n), d.Up.rows(first, n)
		MulEach(h[first:], stride, &gate, 0, gate.Units(), x, idx, scratch)
		MulEach(ups, n, &up, 0, up.Units(), x, idx, scratch)
		for t := range idx {
			row := h[t*stride+first:][:gate.Rows]
			activate(row, row, ups[t*n:][:gate.Rows])
		}
	}
}

// hiddenUps is the number of products with up that Hidden keeps: 16 KB.
const hiddenUps = 4096

// hiddenPacked is Hidden with vectors that are packed once for both matrices. It returns how many vectors it took.
func (d *Dense) hiddenPacked(h []float32, stride, from, to int, x *Input, idx []int32, scratch *Scratch) (done int) {
	activate, p := d.activation(), &scratch.packed
	const step = 4 // units at a time
	ups := grow(&scratch.ups, packTile*step*quant.GroupRows)
	for len(idx)-done >= minPacked() {
		taken := p.some(x, idx[done:], done)
		out := h[done*stride:]
		for u := from; u < to; u += step {
			first, n := u*quant.GroupRows, min(step, to-u)*quant.GroupRows
			gate, up := d.Gate.rows(first, n), d.Up.rows(first, n)
			for i := range gate.Units() {
				p.mul(true, false, out[first:], stride, &gate, i, nil)
				p.mul(true, true, ups, n, &up, i, nil)
			}
			for t := range taken {
				row := out[t*stride+first:][:gate.Rows]
				activate(row, row, ups[t*n:][:gate.Rows])
			}
		}
		done += taken
	}
	return done
}

func (d *Dense) activation() func(dst, gate, up []float32) {
	if d.Activation == nil {
		return SiLUMul
	}
	return d.Activation
}
