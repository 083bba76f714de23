//go:build !noasm

package kernel

import "st/quant"

func dot(a, b []float32) float32 {
	if !useNEON {
		return dotGeneric(a, b)
	}
	return dotNEON(a, b[:len(a)])
}

func axpy(dst []float32, f float32, src []float32) {
	if !useNEON {
		axpyGeneric(dst, f, src)
		return
	}
	axpyNEON(dst, f, src[:len(dst)])
}

func axpy4(dst []float32, f *[4]float32, src *[4][]float32) {
	if !useNEON {
		axpy4Generic(dst, f, src)
		return
	}
	for i := range src {
		_ = src[i][:len(dst)]
	}
	axpy4NEON(dst, f, src)
}

func quantize(q []int8, d []float32, sum []int32, src []float32) {
	if !useNEON {
		quantizeGeneric(q, d, sum, src)
		return
	}
	quantizeNEON(q[:len(d)*quant.BlockSize], d, sum[:len(d)], src[:len(d)*quant.BlockSize])
}

func read(b []byte) uint64 {
	if !useNEON {
		return readGeneric(b)
	}
	return readNEON(b)
}

// dotNEON is dotGeneric.
//
//go:noescape
func dotNEON(a, b []float32) float32

// axpyNEON is axpyGeneric.
//
//go:noescape
func axpyNEON(dst []float32, f float32, src []float32)

// axpy4NEON is axpy4Generic.
//
//go:noescape
func axpy4NEON(dst []float32, f *[4]float32, src *[4][]float32)

// quantizeNEON is quantizeGeneric, to the bit.
//
//go:noescape
func quantizeNEON(q []int8, d []float32, sum []int32, src []float32)

// readNEON is readGeneric.
//
//go:noescape
func readNEON(b []byte) uint64
