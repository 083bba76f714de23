package compare

import (
	"math"
	"slices"

	"st/format"
)

// Tensor tells how a tensor differs between the files A and B.
type Tensor struct {
	Name          string
	Layer, Expert int // −1: none
	// A and B describe it in the two files; nil: the file does not have it.
	A, B *format.Tensor
	// Same: the numbers are the same, bit for bit, without having been looked at one by one.
	Same bool
	// Values are what comparing the numbers gave; nil if the shapes differ, or there is no other.
	Values *Values
}

// Changed reports whether the tensors differ in anything, be it only in how they are stored.
func (t *Tensor) Changed() bool {
	return t.A == nil || t.B == nil || t.A.Type != t.B.Type || t.A.Layout != t.B.Layout || t.A.Transposed != t.B.Transposed ||
		!slices.Equal(t.A.Shape(), t.B.Shape()) || t.Values == nil && !t.Same || t.Values != nil && t.Values.MaxAbs > 0
}

// Values are sums over pairs of weights a, b. A pair with a number that is not finite counts in NonFinite only.
type Values struct {
	Weights   int64
	SumA      float64 // Σ a²
	SumB      float64 // Σ b²
	Product   float64 // Σ a·b
	Squares   float64 // Σ (a − b)²
	MaxAbs    float64 // the largest |a − b|
	NonFinite int64
}

func (v *Values) add(a, b []float32) {
	for i, x := range a {
		x, y := float64(x), float64(b[i])
		d := x - y
		if math.IsNaN(d) || math.IsInf(d, 0) {
			v.NonFinite++
			continue
		}
		v.SumA += x * x
		v.SumB += y * y
		v.Product += x * y
		v.Squares += d * d
		v.MaxAbs = max(v.MaxAbs, math.Abs(d))
	}
	v.Weights += int64(len(a))
}

// Merge adds what another tensor, or part of one, gave.
func (v *Values) Merge(o *Values) {
	v.Weights += o.Weights
	v.SumA += o.SumA
	v.SumB += o.SumB
	v.Product += o.Product
	v.Squares += o.Squares
	v.MaxAbs = max(v.MaxAbs, o.MaxAbs)
	v.NonFinite += o.NonFinite
}

// Relative returns ‖a − b‖ / ‖a‖: 0 if they are the same, infinite if only a is zero.
func (v *Values) Relative() float64 {
	if v.Squares == 0 {
		return 0
	}
	return math.Sqrt(v.Squares / v.SumA)
}

// Cosine returns a·b / (‖a‖·‖b‖): 1 if both are zero, 0 if one is.
func (v *Values) Cosine() float64 {
	switch {
	case v.SumA == 0 && v.SumB == 0:
		return 1
	case v.SumA == 0 || v.SumB == 0:
		return 0
	}
	return v.Product / math.Sqrt(v.SumA) / math.Sqrt(v.SumB)
}
