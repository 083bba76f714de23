package kernel

import "st/quant"

// Mul computes rows of w · x for units [from, to): dst[t·stride + r] is row r times vector idx[t] of x, for every t.
// w.Cols must equal x.Cols, and dst holds whole rows' worth: stride is at least w.Rows. scratch is for the caller's thread
// alone.
func Mul(dst []float32, stride int, w *Matrix, from, to int, x *Input, idx []int32, scratch *Scratch) {
	for u := from; u < to; u++ {
		if w.Grouped {
			mulGroup(dst, stride, w, u, x, idx)
			continue
		}
		quants, scales := w.row(u)
		if w.quantized() {
			for t, i := range idx {
				v := x.vector(int(i))
				dst[t*stride+u] = dotRow(w.Type, quants, scales, &v)
			}
			continue
		}
		row := scratch.row(w.Cols)
		Decode(w.Type, row, quants, nil)
		for t, i := range idx {
			dst[t*stride+u] = dot(row, x.Row(int(i)))
		}
	}
}

// mulGroup multiplies one group of sixteen rows with every vector. Four vectors at a time share the work of unpacking the
// weights; three are filled up to four, as that is faster than three alone.
func mulGroup(dst []float32, stride int, w *Matrix, u int, x *Input, idx []int32) {
	first := u * quant.GroupRows
	rows := min(quant.GroupRows, w.Rows-first)
	group := w.group(u)
	t := 0
	if w.Type == quant.Q4_0 {
		var acc [4][quant.GroupRows]float32
		var v [4]vector
		for ; t+3 <= len(idx); t += 4 {
			n := min(4, len(idx)-t)
			for k := range v {
				v[k] = x.vector(int(idx[t+min(k, n-1)]))
			}
			groupQ4x4(&acc, group, &v)
			for k := range n {
				copy(dst[(t+k)*stride+first:][:rows], acc[k][:rows])
			}
		}
	}
	for ; t < len(idx); t++ {
		var acc [quant.GroupRows]float32
		v := x.vector(int(idx[t]))
		if w.Type == quant.Q4_0 {
			groupQ4(&acc, group, &v)
		} else {
			groupQ8(&acc, group, &v)
		}
		copy(dst[t*stride+first:][:rows], acc[:rows])
	}
}
