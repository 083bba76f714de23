package kernel

import "math"

// scores2Generic is Scores for two queries.
func scores2Generic(dst, q, k []float32) {
	d := len(q) / 2
	for p := range len(k) / d {
		dst[p] = dotGeneric(q[:d], k[p*d:][:d])
		dst[PositionTile+p] = dotGeneric(q[d:], k[p*d:][:d])
	}
}

// addWeighted2Generic is AddWeighted for two rows.
func addWeighted2Generic(out, p, v []float32) {
	d := len(out) / 2
	for j := range len(v) / d {
		axpyGeneric(out[:d], p[j], v[j*d:][:d])
		axpyGeneric(out[d:], p[PositionTile+j], v[j*d:][:d])
	}
}

// expSumGeneric is ExpSum.
func expSumGeneric(x []float32, m float32) (sum float32) {
	for i, v := range x {
		x[i] = float32(math.Exp(float64(v - m)))
		sum += x[i]
	}
	return sum
}

// sumSquaresGeneric returns Σ x², in float64.
func sumSquaresGeneric(x []float32) (sum float64) {
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return sum
}

// scaleMulGeneric stores x·scale·weight in dst.
func scaleMulGeneric(dst, x, weight []float32, scale float32) {
	for i, v := range x {
		dst[i] = v * scale * weight[i]
	}
}
