//go:build !noasm

package kernel

import (
	"unsafe"

	"st/quant"
)

func dotQ4(quants, scales []byte, x *vector) float32 {
	if !useAVX2 {
		return dotQ4Generic(quants, scales, x)
	}
	x.check()
	return dotQ4AVX2(quants[:len(x.q)/2], scales[:len(x.q)/16], x, unsafe.SliceData(quants))
}

func dotQ8(quants, scales []byte, x *vector) float32 {
	if !useAVX2 {
		return dotQ8Generic(quants, scales, x)
	}
	x.check()
	return dotQ8AVX2(quants[:len(x.q)], scales[:len(x.q)/16], x)
}

func axpyQ4(y []float32, f float32, quants, scales []byte) {
	if !useAVX2 {
		axpyQ4Generic(y, f, quants, scales)
		return
	}
	axpyQ4AVX2(y, f, quants[:len(y)/2], scales[:len(y)/16])
}

func axpyQ8(y []float32, f float32, quants, scales []byte) {
	if !useAVX2 {
		axpyQ8Generic(y, f, quants, scales)
		return
	}
	axpyQ8AVX2(y, f, quants[:len(y)], scales[:len(y)/16])
}

func decodeF16(dst []float32, src []byte) {
	if !useAVX2 {
		quant.F16.Decode(dst, src, nil)
		return
	}
	decodeF16AVX2(dst, src[:2*len(dst)])
}

// prefetch asks for bytes that are needed soon.
func prefetch(b []byte) {
	if useAVX2 {
		prefetchAVX2(b)
	}
}

// dotQ4AVX2 is dotQ4Generic, and prefetches what lies at ahead, of which it reads nothing.
//
//go:noescape
func dotQ4AVX2(quants, scales []byte, x *vector, ahead *byte) float32

// dotQ8AVX2 is dotQ8Generic.
//
//go:noescape
func dotQ8AVX2(quants, scales []byte, x *vector) float32

// axpyQ4AVX2 is axpyQ4Generic.
//
//go:noescape
func axpyQ4AVX2(y []float32, f float32, quants, scales []byte)

// axpyQ8AVX2 is axpyQ8Generic.
//
//go:noescape
func axpyQ8AVX2(y []float32, f float32, quants, scales []byte)

// decodeF16AVX2 is Decode of quant.F16.
//
//go:noescape
func decodeF16AVX2(dst []float32, src []byte)

// prefetchAVX2 has no generic twin: it changes no data.
//
//go:noescape
func prefetchAVX2(b []byte)
