package kernel

// dotGeneric is the inner product in float32, in eight partial sums as a vector unit keeps them.
func dotGeneric(a, b []float32) float32 {
	b = b[:len(a)]
	var s [8]float32
	i := 0
	for ; i+8 <= len(a); i += 8 {
		x, y := a[i:i+8:i+8], b[i:i+8:i+8]
		for j := range s {
			s[j] += x[j] * y[j]
		}
	}
	for ; i < len(a); i++ {
		s[0] += a[i] * b[i]
	}
	return (s[0] + s[4]) + (s[1] + s[5]) + ((s[2] + s[6]) + (s[3] + s[7]))
}

// axpyGeneric adds f·src to dst.
func axpyGeneric(dst []float32, f float32, src []float32) {
	src = src[:len(dst)]
	for i := range dst {
		dst[i] += f * src[i]
	}
}

// axpy4Generic adds f[0]·src[0], …, f[3]·src[3] to dst, in this order.
func axpy4Generic(dst []float32, f *[4]float32, src *[4][]float32) {
	for i := range src {
		axpyGeneric(dst, f[i], src[i])
	}
}
