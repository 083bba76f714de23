//go:build !noasm

package kernel

func scores2(dst, q, k []float32) {
	d := len(q) / 2
	if !useAVX2 || d%8 != 0 {
		scores2Generic(dst, q, k)
		return
	}
	_ = dst[:PositionTile+len(k)/d]
	k = k[:len(k)/(4*d)*4*d]
	if useAVX512 && d%16 == 0 {
		scores2AVX512(dst, q, k)
		return
	}
	scores2AVX2(dst, q, k)
}

func addWeighted2(out, p, v []float32) {
	d := len(out) / 2
	if !useAVX2 || d%32 != 0 {
		addWeighted2Generic(out, p, v)
		return
	}
	_ = p[:PositionTile+len(v)/d]
	v = v[:len(v)/d*d]
	if useAVX512 && d%64 == 0 {
		addWeighted2AVX512(out, p, v)
		return
	}
	addWeighted2AVX2(out, p, v)
}

func expSum(x []float32, m float32) float32 {
	if !useAVX2 {
		return expSumGeneric(x, m)
	}
	return expSumAVX2(x, m)
}

// scores2AVX2 is scores2Generic, for a multiple of four positions of a multiple of eight numbers.
//
//go:noescape
func scores2AVX2(dst, q, k []float32)

// addWeighted2AVX2 is addWeighted2Generic, for rows of a multiple of 32 numbers.
//
//go:noescape
func addWeighted2AVX2(out, p, v []float32)

// expSumAVX2 is expSumGeneric, with an error of two units in the last place.
//
//go:noescape
func expSumAVX2(x []float32, m float32) float32

// scores2AVX512 is scores2Generic, for a multiple of four positions of a multiple of sixteen numbers.
//
//go:noescape
func scores2AVX512(dst, q, k []float32)

// addWeighted2AVX512 is addWeighted2Generic, for rows of a multiple of 64 numbers.
//
//go:noescape
func addWeighted2AVX512(out, p, v []float32)
