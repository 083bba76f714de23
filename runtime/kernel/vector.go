package kernel

import "math"

// Dot returns the inner product of two vectors of equal length.
func Dot(a, b []float32) float32 { return dot(a, b) }

// Axpy adds f·src to dst.
func Axpy(dst []float32, f float32, src []float32) { axpy(dst, f, src) }

// RMSNorm stores x / sqrt(mean(x²) + eps) · weight in dst (Zhang and Sennrich, arXiv 1910.07467). The mean is summed in
// float64, as the length of a vector makes its rounding matter.
func RMSNorm(dst, x, weight []float32, eps float64) {
	var ss float64
	for _, v := range x {
		ss += float64(v) * float64(v)
	}
	scale := float32(1 / math.Sqrt(ss/float64(len(x))+eps))
	for i, v := range x {
		dst[i] = v * scale * weight[i]
	}
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
