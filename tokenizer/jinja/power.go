package jinja

import (
	"math"
	"math/big"
)

// power is x ** y, rounded to the nearest float, as the C library does it but once in a thousand times. math.Pow is often a unit or two in the
// last place away, which what a template prints shows: 9 ** 1.5 is 27.0.
func power(x, y float64) float64 {
	v := math.Pow(x, y)
	whole, part := math.Modf(math.Abs(y))
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(x+y) || whole >= 1<<53 { // NaN ** 0 is 1, but no big.Float is NaN
		return v
	}
	const precision = 192 // squaring 53 times doubles an error as often
	root := new(big.Float).SetPrec(precision).SetFloat64(math.Abs(x))
	r := new(big.Float).SetPrec(precision).SetInt64(1)
	square := new(big.Float).Copy(root)
	for n := uint64(whole); n > 0; n >>= 1 {
		if n&1 != 0 {
			r.Mul(r, square)
		}
		square.Mul(square, square)
	}
	for range 2 * 64 { // what roots after these add to the product is too little to see
		if part == 0 {
			break
		}
		root.Sqrt(root)
		if part *= 2; part >= 1 {
			r.Mul(r, root)
			part--
		}
	}
	if y < 0 {
		r.Quo(big.NewFloat(1), r)
	}
	f, _ := r.Float64()
	return math.Copysign(f, v)
}
