//go:build !noasm

package kernel

import "st/quant"

func dot(a, b []float32) float32 {
	if !useAVX2 {
		return dotGeneric(a, b)
	}
	return dotAVX2(a, b[:len(a)])
}

// hasDots4x2 reports whether there is a kernel for products of four rows of so many numbers with two vectors.
func hasDots4x2(cols int) bool { return useAVX512 && cols > 0 && cols%32 == 0 }

// dots4x2 adds the products of some columns of four rows with two vectors to sums, which first clears. If dots is not nil, these columns are the last,
// and it stores the products there, to the bit as dot computes them: dots[2r] is row r times a, dots[2r+1] times b. The columns are some that
// hasDots4x2 takes.
func dots4x2(dots *[8]float32, sums *dotSums, rows *[4][]float32, a, b []float32, first bool) {
	for i := range rows {
		_ = rows[i][:len(a)]
	}
	if !hasDots4x2(len(a)) {
		panic("kernel: there is no kernel for four rows with two vectors")
	}
	dots4x2AVX512(dots, sums, rows, a, b[:len(a)], first)
}

// dots4x2AVX512 is dots4x2. Rows and b are as long as a.
//
//go:noescape
func dots4x2AVX512(dots *[8]float32, sums *dotSums, rows *[4][]float32, a, b []float32, first bool)

func axpy(dst []float32, f float32, src []float32) {
	if !useAVX2 {
		axpyGeneric(dst, f, src)
		return
	}
	axpyAVX2(dst, f, src[:len(dst)])
}

func axpy4(dst []float32, f *[4]float32, src *[4][]float32) {
	if !useAVX2 {
		axpy4Generic(dst, f, src)
		return
	}
	for i := range src {
		_ = src[i][:len(dst)]
	}
	axpy4AVX2(dst, f, src)
}

func quantize(q []int8, d []float32, sum []int32, src []float32) {
	if !useAVX2 {
		quantizeGeneric(q, d, sum, src)
		return
	}
	quantizeAVX2(q[:len(d)*quant.BlockSize], d, sum[:len(d)], src[:len(d)*quant.BlockSize])
}

// dotAVX2 is dotGeneric.
//
//go:noescape
func dotAVX2(a, b []float32) float32

// axpyAVX2 is axpyGeneric.
//
//go:noescape
func axpyAVX2(dst []float32, f float32, src []float32)

// axpy4AVX2 is axpy4Generic.
//
//go:noescape
func axpy4AVX2(dst []float32, f *[4]float32, src *[4][]float32)

// quantizeAVX2 is quantizeGeneric, to the bit.
//
//go:noescape
func quantizeAVX2(q []int8, d []float32, sum []int32, src []float32)
