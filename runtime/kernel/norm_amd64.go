//go:build !noasm

package kernel

import "st/quant"

func sumSquares(x []float32) float64 {
	if !useAVX2 {
		return sumSquaresGeneric(x)
	}
	return sumSquaresAVX2(x)
}

func scaleMul(dst, x, weight []float32, scale float32) {
	if !useAVX2 {
		scaleMulGeneric(dst, x, weight, scale)
		return
	}
	scaleMulAVX2(dst, x[:len(dst)], weight[:len(dst)], scale)
}

func encodeF16(dst []byte, src []float32) {
	if !useAVX2 {
		quant.F16.Encode(dst, nil, src)
		return
	}
	encodeF16AVX2(dst[:2*len(src)], src)
}

// sumSquaresAVX2 is sumSquaresGeneric.
//
//go:noescape
func sumSquaresAVX2(x []float32) float64

// scaleMulAVX2 is scaleMulGeneric.
//
//go:noescape
func scaleMulAVX2(dst, x, weight []float32, scale float32)

// encodeF16AVX2 is Encode of quant.F16.
//
//go:noescape
func encodeF16AVX2(dst []byte, src []float32)
