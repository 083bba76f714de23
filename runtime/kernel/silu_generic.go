package kernel

import "math"

// The constants of exp: exp(x) = 2ⁿ·exp(r), n = round(x/ln 2), r = x − n·ln 2 within ±ln 2/2, where a polynomial of degree six
// (that of Cephes' expf) is exact to two units in the last place. ln 2 is in two parts, n times the first of which is exact.
const (
	expInvLn2 = 1.44269504088896341
	expLn2Hi  = 0.693359375
	expLn2Lo  = -2.12194440e-4
	expC0     = 1.9875691500e-4
	expC1     = 1.3981999507e-3
	expC2     = 8.3334519073e-3
	expC3     = 4.1665795894e-2
	expC4     = 1.6666665459e-1
	expC5     = 0.5

	// siluLeast is below all x whose silu is not rounded to −0.
	siluLeast = -120
)

// siluMulGeneric is SiLUMul. Products are rounded before they are added, as the conversions say: a fused multiplication would
// have other bits.
//
// With t = exp(−|x|) it is x/(1 + t) for a positive x, and x·t/(1 + t) for a negative one. There 2ⁿ, which may be no normal
// number, is multiplied in at the end, in two parts, so that only the last rounding meets a denormal number.
func siluMulGeneric(dst, gate, up []float32) {
	for i, x := range gate {
		x = max(x, siluLeast)
		dst[i] = logistic(x, x) * up[i]
	}
}

// The constants of gelu: geluLeast is below all x whose gelu is not rounded to −0.
const (
	geluLeast = -12
	geluC1    = 1.5957691216057308   // 2·√(2/π)
	geluC3    = 0.071354816272600247 // that times 0.044715
)

// geluMulGeneric is GELUMul.
func geluMulGeneric(dst, gate, up []float32) {
	for i, x := range gate {
		x = max(x, geluLeast)
		z := float32(x * x)
		z = float32(z*geluC3) + geluC1
		dst[i] = logistic(x, float32(x*z)) * up[i]
	}
}

// logistic returns x/(1 + exp(−z)); x and z have the same sign.
func logistic(x, z float32) float32 {
	a := max(math.Float32frombits(math.Float32bits(z)|1<<31), siluLeast)
	n := float32(math.RoundToEven(float64(float32(a * expInvLn2))))
	r := a - float32(n*expLn2Hi)
	r -= float32(n * expLn2Lo)
	p := float32(expC0*r) + expC1
	p = float32(p*r) + expC2
	p = float32(p*r) + expC3
	p = float32(p*r) + expC4
	p = float32(p*r) + expC5
	p = float32(p*float32(r*r)) + r + 1
	e := int32(n)
	s := math.Float32frombits(uint32(127+e>>1) << 23)
	s2 := math.Float32frombits(uint32(127+e-e>>1) << 23)
	t := float32(p * s * s2)
	if math.Signbit(float64(x)) {
		return x * p / (1 + t) * s * s2
	}
	return x / (1 + t)
}
