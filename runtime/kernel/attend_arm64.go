//go:build !noasm

package kernel

func scores2(dst, q, k []float32) {
	d := len(q) / 2
	if !useNEON || d%8 != 0 {
		scores2Generic(dst, q, k)
		return
	}
	_ = dst[:PositionTile+len(k)/d]
	scores2NEON(dst, q, k[:len(k)/(4*d)*4*d])
}

func addWeighted2(out, p, v []float32) {
	d := len(out) / 2
	if !useNEON || d%32 != 0 {
		addWeighted2Generic(out, p, v)
		return
	}
	_ = p[:PositionTile+len(v)/d]
	addWeighted2NEON(out, p, v[:len(v)/d*d])
}

func expSum(x []float32, m float32) float32 {
	if !useNEON {
		return expSumGeneric(x, m)
	}
	return expSumNEON(x, m)
}

// scores2NEON is scores2Generic, for a multiple of four positions of a multiple of eight numbers.
//
//go:noescape
func scores2NEON(dst, q, k []float32)

// addWeighted2NEON is addWeighted2Generic, for rows of a multiple of 32 numbers.
//
//go:noescape
func addWeighted2NEON(out, p, v []float32)

// expSumNEON is expSumGeneric, with an error of two units in the last place.
//
//go:noescape
func expSumNEON(x []float32, m float32) float32
