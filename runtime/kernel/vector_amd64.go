//go:build !noasm

package kernel

import "st/quant"

func dot(a, b []float32) float32 {
	if !useAVX2 {
		return dotGeneric(a, b)
	}
	return dotAVX2(a, b[:len(a)])
}

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
