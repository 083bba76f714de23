//go:build !noasm

package kernel

import "unsafe"

// neuronsQ4 takes four neurons at a time. While their up rows are multiplied, the next four are prefetched, up and down.
func neuronsQ4(y []float32, neurons []int32, h []float32, up, down *Matrix, x *vector) {
	if !useAVX2 {
		neuronsQ4Generic(y, neurons, h, up, down, x)
		return
	}
	x.check()
	h = h[:len(neurons)]
	wide := useAVX512 && len(x.d)%8 == 0
	for len(neurons) >= 4 {
		var f [4]float32
		var quants, scales, ahead [4]*byte
		for i := range ahead {
			q, s := up.row(int(neurons[i]))
			quants[i] = unsafe.SliceData(q[:len(x.q)/2])
			scales[i] = unsafe.SliceData(s[:len(x.q)/16])
			ahead[i] = quants[i]
			if i+4 < len(neurons) {
				ahead[i] = &up.Data[int(neurons[i+4])*up.Stride]
			}
		}
		if wide {
			dotQ4Rows4AVX512(&f, &quants, up.ScaleOffset, &ahead, x)
		} else {
			for i := range f {
				f[i] = dotQ4AVX2(unsafe.Slice(quants[i], len(x.q)/2), unsafe.Slice(scales[i], len(x.q)/16), x, ahead[i])
			}
		}
		for i := range f {
			f[i] *= h[i]
			ahead[i] = (*byte)(unsafe.Add(unsafe.Pointer(ahead[i]), len(x.q)/2))
			q, s := down.row(int(neurons[i]))
			quants[i], scales[i] = unsafe.SliceData(q[:len(y)/2]), unsafe.SliceData(s[:len(y)/16])
		}
		if useAVX512 {
			axpyQ4x4AVX512(y, &f, &quants, &scales, &ahead)
		} else {
			axpyQ4x4AVX2(y, &f, &quants, &scales, &ahead)
		}
		if done := len(y) &^ 255; done < len(y) {
			for i := range f {
				q, s := down.row(int(neurons[i]))
				axpyQ4(y[done:], f[i], q[done/2:], s[done/16:])
			}
		}
		neurons, h = neurons[4:], h[4:]
	}
	for i, j := range neurons {
		q, s := up.row(int(j))
		f := h[i] * dotQ4(q, s, x)
		q, s = down.row(int(j))
		axpyQ4(y, f, q, s)
	}
}

// axpyQ4x4AVX2 adds f[i] times the Q4_0 row at quants[i] and scales[i] to y, for four rows of whole 256 columns; what is left
// of y stays. A row's factors are rounded by up to 2⁻¹⁶ of the largest of the four. Meanwhile it prefetches what lies at
// ahead, of which it reads nothing.
//
//go:noescape
func axpyQ4x4AVX2(y []float32, f *[4]float32, quants, scales, ahead *[4]*byte)

// axpyQ4x4AVX512 is axpyQ4x4AVX2, to the bit.
//
//go:noescape
func axpyQ4x4AVX512(y []float32, f *[4]float32, quants, scales, ahead *[4]*byte)

// dotQ4Rows4AVX512 is dotQ4AVX2 for four rows, to the bit, of a multiple of eight blocks. A row's scales are scales bytes behind its quants.
// Meanwhile it prefetches what lies at ahead, of which it reads nothing.
//
//go:noescape
func dotQ4Rows4AVX512(dots *[4]float32, quants *[4]*byte, scales int, ahead *[4]*byte, x *vector)
