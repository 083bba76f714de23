package kernel

import "math"

// Dot returns the inner product of two vectors of equal length.
func Dot(a, b []float32) float32 { return dot(a, b) }

// Axpy adds f·src to dst.
func Axpy(dst []float32, f float32, src []float32) { axpy(dst, f, src) }

// Axpy4 adds f[0]·src[0], …, f[3]·src[3] to dst, in this order.
func Axpy4(dst []float32, f *[4]float32, src *[4][]float32) { axpy4(dst, f, src) }

// EncodeF16 stores the float16 of src in dst: the nearest, ties to even.
func EncodeF16(dst []byte, src []float32) { encodeF16(dst, src) }

// RMSNorm stores x / sqrt(mean(x²) + eps) · weight in dst, which may be x (Zhang and Sennrich, arXiv 1910.07467). The mean is
// summed in float64, as the length of a vector makes its rounding matter.
func RMSNorm(dst, x, weight []float32, eps float64) {
	scale := float32(1 / math.Sqrt(sumSquares(x)/float64(len(x))+eps))
	scaleMul(dst[:len(x)], x, weight[:len(x)], scale)
}

// Softmax replaces x by its softmax.
func Softmax(x []float32) {
	m := float32(math.Inf(-1))
	for _, v := range x {
		m = max(m, v)
	}
	var sum float32
	for i, v := range x {
		x[i] = float32(math.Exp(float64(v - m)))
		sum += x[i]
	}
	for i := range x {
		x[i] /= sum
	}
}
