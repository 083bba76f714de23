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
	activate := d.Activation
	if activate == nil {
		activate = SiLUMul
	}
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
