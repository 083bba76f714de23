//go:build !noasm

package kernel

import "st/quant"

func dot(a, b []float32) float32 {
	if !useAVX2 {
		return dotGeneric(a, b)
	}
	return dotAVX2(a, b[:len(a)])
}

// floatBlock returns how many rows of so many floats are multiplied with how many vectors at a time; 0: there is no kernel for that.
func floatBlock(cols int) (rows, vectors int) {
	switch {
	case cols == 0 || cols%32 != 0:
	case useAVX512:
		return 4, 2
	case useAVX2:
		return 3, 1
	}
	return 0, 0
}

// dotRows adds the products of some columns of rows with one or two vectors, as many as floatBlock says, to sums, which first clears. If dots is not
// nil, these columns are the last, and it stores the products there, to the bit as dot computes them: dots[2r] is row r times a, dots[2r+1] times b.
func dotRows(dots *[8]float32, sums *dotSums, rows *[4][]float32, a, b []float32, first bool) {
	n, _ := floatBlock(len(a))
	if n == 0 {
		panic("kernel: there is no kernel for several rows of floats")
	}
	for _, row := range rows[:n] {
		_ = row[:len(a)]
	}
	if useAVX512 {
		dots4x2AVX512(dots, sums, rows, a, b[:len(a)], first)
		return
	}
	dots3AVX2(dots, sums, rows, a, first)
}

// dots4x2AVX512 is dotRows for four rows and two vectors. Rows and b are as long as a.
//
//go:noescape
func dots4x2AVX512(dots *[8]float32, sums *dotSums, rows *[4][]float32, a, b []float32, first bool)

// dots3AVX2 is dotRows for three rows, which are as long as a, and one vector.
//
//go:noescape
func dots3AVX2(dots *[8]float32, sums *dotSums, rows *[4][]float32, a []float32, first bool)

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
