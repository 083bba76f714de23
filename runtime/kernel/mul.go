package kernel

import "st/quant"

// Mul computes rows of w · x for units [from, to): dst[t·stride + r] is row r times vector idx[t] of x, for every t.
// w.Cols must equal x.Cols, and dst holds whole rows' worth: stride is at least w.Rows. scratch is for the caller's thread
// alone.
func Mul(dst []float32, stride int, w *Matrix, from, to int, x *Input, idx []int32, scratch *Scratch) {
	if w.Grouped && len(idx) < 3 && pairsGroups() {
		from = mulPairs(dst, stride, w, from, to, x, idx)
	}
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

// mulPairs multiplies the first half of the units [from, to) and the second together, unit by unit: two streams of weights come
// out of memory faster than one. It returns the unit that may be left over, or to.
func mulPairs(dst []float32, stride int, w *Matrix, from, to int, x *Input, idx []int32) (left int) {
	half := (to - from) / 2
	for u := from; u < from+half; u++ {
		a, b := w.group(u), w.group(u+half)
		first, second := u*quant.GroupRows, (u+half)*quant.GroupRows
		rows := min(quant.GroupRows, w.Rows-second)
		for t, i := range idx {
			var acc [2][quant.GroupRows]float32
			v := x.vector(int(i))
			group2(w.Type, &acc, a, b, &v)
			copy(dst[t*stride+first:][:quant.GroupRows], acc[0][:])
			copy(dst[t*stride+second:][:rows], acc[1][:rows])
		}
	}
	return from + 2*half
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
		groupOne(w.Type, &acc, group, &v)
		copy(dst[t*stride+first:][:rows], acc[:rows])
	}
}

// groupOne multiplies a group of a block type with one vector.
func groupOne(t quant.Type, acc *[quant.GroupRows]float32, group []byte, x *vector) {
	if t == quant.Q4_0 {
		groupQ4(acc, group, x)
	} else {
		groupQ8(acc, group, x)
	}
}
