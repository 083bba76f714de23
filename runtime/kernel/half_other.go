//go:build !(amd64 || arm64) || noasm

package kernel

import "st/quant"

// hasHalf reports that rows of F16 and BF16 numbers are decoded.
func hasHalf(quant.Type) bool { return false }

func dotHalf(quant.Type, []byte, []float32, bool) float32 {
	panic("kernel: rows of such numbers are decoded")
}

// mulHalf leaves all rows: no kernel multiplies two of them at a time.
func mulHalf(_ []float32, _ *Matrix, from, _ int, _ []float32) (left int) { return from }

func axpyHalf(quant.Type, []float32, float32, []byte) {
	panic("kernel: rows of such numbers are decoded")
}
