//go:build !noasm

package kernel

import "st/quant"

// hasHalf reports whether there are kernels for rows of such numbers, F16 or BF16, as they lie in memory.
func hasHalf(t quant.Type) bool { return useAVX2 && (t == quant.F16 || t == quant.BF16) }

// dotHalf is dot of a row of F16 or BF16 numbers, to the bit. In a matrix, whose rows follow each other, it prefetches what comes next.
func dotHalf(t quant.Type, row []byte, x []float32, matrix bool) float32 {
	ahead := 0
	if matrix {
		ahead = weightsAhead
	}
	row = row[:2*len(x)]
	if t == quant.F16 {
		return dotF16AVX2(row, x, ahead)
	}
	return dotBF16AVX2(row, x, ahead)
}

// mulHalf multiplies the first half of the rows [from, to) of F16 or BF16 numbers and the second together, row by row, with a vector: two streams of weights
// come out of memory faster than one, and the vector is read half as often. It returns the first row that is left: the last one may be, or all.
func mulHalf(dst []float32, w *Matrix, from, to int, x []float32) (left int) {
	if !hasHalf(w.Type) {
		return from
	}
	half, bytes := (to-from)/2, 2*len(x)
	for u := from; u < from+half; u++ {
		a, _ := w.row(u)
		b, _ := w.row(u + half)
		a, b = a[:bytes], b[:bytes]
		if w.Type == quant.F16 {
			dst[u], dst[u+half] = dot2F16AVX2(a, b, x, weightsAhead)
		} else {
			dst[u], dst[u+half] = dot2BF16AVX2(a, b, x, weightsAhead)
		}
	}
	return from + 2*half
}

// axpyHalf is axpy of a row of F16 or BF16 numbers, to the bit.
func axpyHalf(t quant.Type, dst []float32, f float32, row []byte) {
	row = row[:2*len(dst)]
	if t == quant.F16 {
		axpyF16AVX2(dst, f, row)
	} else {
		axpyBF16AVX2(dst, f, row)
	}
}

// dotF16AVX2 is dotAVX2 of the row's numbers, to the bit. It prefetches what lies so many bytes ahead.
//
//go:noescape
func dotF16AVX2(row []byte, x []float32, ahead int) float32

// dotBF16AVX2 is dotAVX2 of the row's numbers, to the bit. It prefetches what lies so many bytes ahead.
//
//go:noescape
func dotBF16AVX2(row []byte, x []float32, ahead int) float32

// axpyF16AVX2 is axpyAVX2 of the row's numbers, to the bit.
//
//go:noescape
func axpyF16AVX2(dst []float32, f float32, row []byte)

// axpyBF16AVX2 is axpyAVX2 of the row's numbers, to the bit.
//
//go:noescape
func axpyBF16AVX2(dst []float32, f float32, row []byte)

// dot2F16AVX2 is dotF16AVX2 of two rows, to the bit.
//
//go:noescape
func dot2F16AVX2(a, b []byte, x []float32, ahead int) (ret, ret1 float32)

// dot2BF16AVX2 is dotBF16AVX2 of two rows, to the bit.
//
//go:noescape
func dot2BF16AVX2(a, b []byte, x []float32, ahead int) (ret, ret1 float32)
