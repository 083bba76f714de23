//go:build !noasm

package kernel

import "st/quant"

func sumSquares(x []float32) float64 {
	if !useNEON {
		return sumSquaresGeneric(x)
	}
	return sumSquaresNEON(x)
}

func scaleMul(dst, x, weight []float32, scale float32) {
	if !useNEON {
		scaleMulGeneric(dst, x, weight, scale)
		return
	}
	scaleMulNEON(dst, x[:len(dst)], weight[:len(dst)], scale)
}

func encodeF16(dst []byte, src []float32) {
	if !useNEON {
		quant.F16.Encode(dst, nil, src)
		return
	}
	encodeF16NEON(dst[:2*len(src)], src)
}

// Pause tells the CPU that a loop waits for another thread.
func Pause()

// sumSquaresNEON is sumSquaresGeneric.
//
//go:noescape
func sumSquaresNEON(x []float32) float64

// scaleMulNEON is scaleMulGeneric.
//
//go:noescape
func scaleMulNEON(dst, x, weight []float32, scale float32)

// encodeF16NEON is Encode of quant.F16.
//
//go:noescape
func encodeF16NEON(dst []byte, src []float32)
