//go:build !noasm

package kernel

import (
	"unsafe"

	"st/quant"
)

func dotQ4(quants, scales []byte, x *vector) float32 {
	if !useNEON {
		return dotQ4Generic(quants, scales, x)
	}
	x.check()
	quants, scales = quants[:len(x.q)/2], scales[:len(x.q)/16]
	if useDotProd {
		return dotQ4DotProd(quants, scales, x, unsafe.SliceData(quants))
	}
	return dotQ4NEON(quants, scales, x, unsafe.SliceData(quants))
}

func dotQ8(quants, scales []byte, x *vector) float32 {
	if !useNEON {
		return dotQ8Generic(quants, scales, x)
	}
	x.check()
	quants, scales = quants[:len(x.q)], scales[:len(x.q)/16]
	if useDotProd {
		return dotQ8DotProd(quants, scales, x)
	}
	return dotQ8NEON(quants, scales, x)
}

func axpyQ4(y []float32, f float32, quants, scales []byte) {
	if !useNEON {
		axpyQ4Generic(y, f, quants, scales)
		return
	}
	axpyQ4NEON(y, f, quants[:len(y)/2], scales[:len(y)/16])
}

func axpyQ8(y []float32, f float32, quants, scales []byte) {
	if !useNEON {
		axpyQ8Generic(y, f, quants, scales)
		return
	}
	axpyQ8NEON(y, f, quants[:len(y)], scales[:len(y)/16])
}

func decodeF16(dst []float32, src []byte) {
	if !useNEON {
		quant.F16.Decode(dst, src, nil)
		return
	}
	decodeF16NEON(dst, src[:2*len(dst)])
}

// prefetch asks for bytes that are needed soon.
func prefetch(b []byte) {
	if useNEON {
		prefetchNEON(b)
	}
}

// dotQ4DotProd is dotQ4Generic, and prefetches what lies at ahead, of which it reads nothing.
//
//go:noescape
func dotQ4DotProd(quants, scales []byte, x *vector, ahead *byte) float32

// dotQ4NEON is dotQ4DotProd.
//
//go:noescape
func dotQ4NEON(quants, scales []byte, x *vector, ahead *byte) float32

// dotQ8DotProd is dotQ8Generic.
//
//go:noescape
func dotQ8DotProd(quants, scales []byte, x *vector) float32

// dotQ8NEON is dotQ8Generic.
//
//go:noescape
func dotQ8NEON(quants, scales []byte, x *vector) float32

// axpyQ4NEON is axpyQ4Generic.
//
//go:noescape
func axpyQ4NEON(y []float32, f float32, quants, scales []byte)

// axpyQ8NEON is axpyQ8Generic.
//
//go:noescape
func axpyQ8NEON(y []float32, f float32, quants, scales []byte)

// decodeF16NEON is Decode of quant.F16.
//
//go:noescape
func decodeF16NEON(dst []float32, src []byte)

// prefetchNEON has no generic twin: it changes no data.
//
//go:noescape
func prefetchNEON(b []byte)
