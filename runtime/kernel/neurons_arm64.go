//go:build !noasm

package kernel

import "unsafe"

// neuronsQ4 takes four neurons at a time. While they are computed, the next four are prefetched.
func neuronsQ4(y []float32, neurons []int32, h []float32, up, down *Matrix, x *vector, next Next) {
	if !useNEON {
		neuronsQ4Generic(y, neurons, h, up, down, x)
		return
	}
	x.check()
	h = h[:len(neurons)]
	for len(neurons) >= 4 {
		var f [4]float32
		var quants, scales, ahead [4]*byte
		for i := range f {
			q, s := up.row(int(neurons[i]))
			if i+4 < len(neurons) {
				ahead[i] = &up.Data[int(neurons[i+4])*up.Stride]
			} else {
				ahead[i] = next.row(i+4-len(neurons), unsafe.SliceData(q))
			}
			q, s = q[:len(x.q)/2], s[:len(x.q)/16]
			if useDotProd {
				f[i] = h[i] * dotQ4DotProd(q, s, x, ahead[i])
			} else {
				f[i] = h[i] * dotQ4NEON(q, s, x, ahead[i])
			}
			q, s = down.row(int(neurons[i]))
			quants[i], scales[i] = unsafe.SliceData(q[:len(y)/2]), unsafe.SliceData(s[:len(y)/16])
		}
		if useDotProd {
			axpyQ4x4DotProd(y, &f, &quants, &scales, &ahead, len(x.q)/2)
		} else {
			axpyQ4x4NEON(y, &f, &quants, &scales, &ahead, len(x.q)/2)
		}
		if done := len(y) &^ 127; done < len(y) {
			for i := range f {
				q, s := down.row(int(neurons[i]))
				axpyQ4NEON(y[done:], f[i], q[done/2:], s[done/16:])
			}
		}
		neurons, h = neurons[4:], h[4:]
	}
	for i, j := range neurons {
		if i+1 < len(neurons) {
			up.prefetch(int(neurons[i+1]))
			down.prefetch(int(neurons[i+1]))
		}
		q, s := up.row(int(j))
		f := h[i] * dotQ4(q, s, x)
		q, s = down.row(int(j))
		axpyQ4(y, f, q, s)
	}
}

// axpyQ4x4DotProd adds f[i] times the Q4_0 row at quants[i] and scales[i] to y, for four rows of whole 128 columns; what is
// left of y stays. A row's factors are rounded by up to 2⁻¹⁶ of the largest of the four. Meanwhile it prefetches what lies
// skip bytes after ahead[i], of which it reads nothing.
//
//go:noescape
func axpyQ4x4DotProd(y []float32, f *[4]float32, quants, scales, ahead *[4]*byte, skip int)

// axpyQ4x4NEON is axpyQ4x4DotProd.
//
//go:noescape
func axpyQ4x4NEON(y []float32, f *[4]float32, quants, scales, ahead *[4]*byte, skip int)
