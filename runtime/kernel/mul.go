package kernel

import "st/quant"

// Mul computes rows of w · x for units [from, to): dst[t·stride + r] is row r times vector idx[t] of x, for every t.
// w.Cols must equal x.Cols, and dst holds whole rows' worth: stride is at least w.Rows. scratch is for the caller's thread
// alone.
func Mul(dst []float32, stride int, w *Matrix, from, to int, x *Input, idx []int32, scratch *Scratch) {
	if packable(w, len(idx)) {
		mulPacked(false, dst, stride, w, from, to, x, idx, scratch)
		return
	}
	if w.Grouped && hasEights() {
		done := mulEights(dst, stride, w, from, to, x, idx, scratch)
		if idx = idx[done:]; len(idx) == 0 {
			return
		}
		dst = dst[done*stride:]
	}
	if w.Grouped && pairsGroups() && (len(idx) == 1 || len(idx) == 2 && !(w.Type == quant.Q4_0 && pairsVectors())) {
		from = mulPairs(dst, stride, w, from, to, x, idx)
	}
	switch {
	case w.quantized():
	case len(idx) == 1:
		from = mulHalf(dst, w, from, to, x.Row(int(idx[0])))
	default:
		from = mulFloats(dst, stride, w, from, to, x, idx, scratch)
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
		if len(idx) == 1 {
			dst[u] = dotFloats(w.Type, quants, x.Row(int(idx[0])), true, scratch)
			continue
		}
		row := decoded(w.Type, quants, w.Cols, scratch)
		for t, i := range idx {
			dst[t*stride+u] = dot(row, x.Row(int(i)))
		}
	}
}

// mulPairs multiplies the first half of the units [from, to) and the second together, unit by unit: two streams of weights come
// out of memory faster than one. It returns the unit that may be left over, or to.
func mulPairs(dst []float32, stride int, w *Matrix, from, to int, x *Input, idx []int32) (left int) {
	half, bytes := (to-from)/2, w.Type.GroupBytes(w.Cols)
	var vectors [2]vector
	for t, i := range idx {
		vectors[t] = x.vector(int(i))
	}
	var acc [2][quant.GroupRows]float32
	for u := from; u < from+half; u++ {
		a, b := w.Data[u*w.Stride:][:bytes], w.Data[(u+half)*w.Stride:][:bytes]
		first, second := u*quant.GroupRows, (u+half)*quant.GroupRows
		rows := min(quant.GroupRows, w.Rows-second)
		for t := range idx {
			group2(w.Type, &acc, a, b, &vectors[t])
			*(*[quant.GroupRows]float32)(dst[t*stride+first:]) = acc[0]
			if rows == quant.GroupRows {
				*(*[quant.GroupRows]float32)(dst[t*stride+second:]) = acc[1]
			} else {
				copy(dst[t*stride+second:][:rows], acc[1][:rows])
			}
		}
	}
	return from + 2*half
}

// Alike reports whether [Mul] computes the bits of [MulEach] in any case: then vectors of several sequences can be multiplied together.
func Alike() bool { return packsAll() }

// MulEach is [Mul] with every vector multiplied as if it were alone: the bits of a result do not depend on the vectors beside it. The
// vectors share the reading and the unpacking of the weights.
func MulEach(dst []float32, stride int, w *Matrix, from, to int, x *Input, idx []int32, scratch *Scratch) {
	if packable(w, len(idx)) {
		mulPacked(true, dst, stride, w, from, to, x, idx, scratch)
		return
	}
	if len(idx) < 3 || !w.Grouped || w.Type != quant.Q4_0 || hasEights() {
		Mul(dst, stride, w, from, to, x, idx, scratch) // these kernels take one vector at a time, or compute the same bits
		return
	}
	for u := from; u < to; u++ {
		t := mulFours(true, dst, stride, w, u, x, idx)
		mulOnes(dst, stride, w, u, x, idx, t)
	}
}

// mulPacked is Mul, or MulEach if alone, for vectors that are worth packing.
func mulPacked(alone bool, dst []float32, stride int, w *Matrix, from, to int, x *Input, idx []int32, scratch *Scratch) {
	p := &scratch.packed
	for first := 0; len(idx) >= minPacked(); {
		n := p.some(x, idx, first)
		for u := from; u < to; u++ {
			p.mul(alone, false, dst, stride, w, u, nil)
		}
		if idx, first = idx[n:], first+n; len(idx) > 0 {
			dst = dst[n*stride:]
		}
	}
	switch {
	case len(idx) == 0:
	case alone:
		MulEach(dst, stride, w, from, to, x, idx, scratch)
	default:
		for u := from; u < to; u++ {
			mulGroup(dst, stride, w, u, x, idx)
		}
	}
}

// mulGroup multiplies one group of sixteen rows with every vector.
func mulGroup(dst []float32, stride int, w *Matrix, u int, x *Input, idx []int32) {
	t := 0
	if w.Type == quant.Q4_0 {
		t = mulFours(false, dst, stride, w, u, x, idx)
	}
	mulOnes(dst, stride, w, u, x, idx, t)
}

// mulFours multiplies a group with vectors, four at a time, which share the work of unpacking the weights; three are filled up to four, as that is
// faster than three alone. If alone, each has the bits that it has by itself. It returns how many vectors it took: two or one may be left.
func mulFours(alone bool, dst []float32, stride int, w *Matrix, u int, x *Input, idx []int32) (t int) {
	first := u * quant.GroupRows
	rows := min(quant.GroupRows, w.Rows-first)
	var acc [4][quant.GroupRows]float32
	var v [4]vector
	for ; t+3 <= len(idx); t += 4 {
		n := min(4, len(idx)-t)
		for k := range v {
			v[k] = x.vector(int(idx[t+min(k, n-1)]))
		}
		if alone {
			groupQ4x4Each(&acc, w.group(u), &v)
		} else {
			groupQ4x4(&acc, w.group(u), &v)
		}
		for k := range n {
			copy(dst[(t+k)*stride+first:][:rows], acc[k][:rows])
		}
	}
	return min(t, len(idx))
}

// mulOnes multiplies a group with vectors from the t-th on, each with the bits that it has by itself: two at a time, where they share the work of
// unpacking the weights, or one.
func mulOnes(dst []float32, stride int, w *Matrix, u int, x *Input, idx []int32, t int) {
	first := u * quant.GroupRows
	rows := min(quant.GroupRows, w.Rows-first)
	for ; t+2 <= len(idx) && w.Type == quant.Q4_0 && pairsVectors(); t += 2 {
		var acc [2][quant.GroupRows]float32
		v := [2]vector{x.vector(int(idx[t])), x.vector(int(idx[t+1]))}
		groupQ4Pair(&acc, w.group(u), &v)
		copy(dst[t*stride+first:][:rows], acc[0][:rows])
		copy(dst[(t+1)*stride+first:][:rows], acc[1][:rows])
	}
	for ; t < len(idx); t++ {
		var acc [quant.GroupRows]float32
		v := x.vector(int(idx[t]))
		groupOne(w.Type, &acc, w.group(u), &v)
		copy(dst[t*stride+first:][:rows], acc[:rows])
	}
}

func groupOne(t quant.Type, acc *[quant.GroupRows]float32, group []byte, x *vector) {
	if t == quant.Q4_0 {
		groupQ4(acc, group, x)
	} else {
		groupQ8(acc, group, x)
	}
}
