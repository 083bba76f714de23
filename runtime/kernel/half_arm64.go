//go:build !noasm

package kernel

import "st/quant"

// hasHalf reports whether there are kernels for rows of such numbers, F16 or BF16, as they lie in memory.
func hasHalf(t quant.Type) bool { return useNEON && (t == quant.F16 || t == quant.BF16) }

// dotHalf is dot of a row of F16 or BF16 numbers, to the bit. In a matrix, whose rows follow each other, it prefetches what comes next.
func dotHalf(t quant.Type, row []byte, x []float32, matrix bool) float32 {
	ahead := 0
	if matrix {
		ahead = 1024
	}
	row = row[:2*len(x)]
	if t == quant.F16 {
		return dotF16NEON(row, x, ahead)
	}
	return dotBF16NEON(row, x, ahead)
}

// mulHalf leaves all rows: no kernel multiplies two of them at a time.
func mulHalf(_ []float32, _ *Matrix, from, _ int, _ []float32) (left int) { return from }

// axpyHalf is axpy of a row of F16 or BF16 numbers, to the bit.
func axpyHalf(t quant.Type, dst []float32, f float32, row []byte) {
	row = row[:2*len(dst)]
	if t == quant.F16 {
		axpyF16NEON(dst, f, row)
	} else {
		axpyBF16NEON(dst, f, row)
	}
}

// dotF16NEON is dotNEON of the row's numbers, to the bit. It prefetches what lies so many bytes ahead.
//
//go:noescape
func dotF16NEON(row []byte, x []float32, ahead int) float32

// dotBF16NEON is dotNEON of the row's numbers, to the bit. It prefetches what lies so many bytes ahead.
//
//go:noescape
func dotBF16NEON(row []byte, x []float32, ahead int) float32

// axpyF16NEON is axpyNEON of the row's numbers, to the bit.
//
//go:noescape
func axpyF16NEON(dst []float32, f float32, row []byte)

// axpyBF16NEON is axpyNEON of the row's numbers, to the bit.
//
//go:noescape
func axpyBF16NEON(dst []float32, f float32, row []byte)
