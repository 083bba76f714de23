//go:build !noasm

package kernel

import "unsafe"

// AttendsF16 reports whether [ScoresF16] and [AddWeightedF16] are faster for that many queries of d numbers than widening keys and values before.
func AttendsF16(rows, d int) bool {
	return useAVX2 && d%32 == 0 && rows >= 2
}

func scoresF16(dst, q []float32, k []byte, n int, ahead []byte) {
	rows := len(dst) / PositionTile
	d := len(q) / rows
	if !AttendsF16(rows, d) || n > PositionTile {
		scoresF16Generic(dst, q, k, n)
		return
	}
	q, k = q[:rows*d], k[:2*n*d]
	at := unsafe.SliceData(k)
	if ahead != nil {
		at = unsafe.SliceData(ahead)
	}
	switch {
	case useAVX512 && rows == 6:
		scoresF16x6AVX512(&dst[0], &q[0], &k[0], n, d, at)
	case useAVX512 && rows == 2:
		scoresF16x2AVX512(&dst[0], &q[0], &k[0], n, d, at)
	case useAVX512:
		scoresF16x4AVX512(&dst[0], &q[0], &k[0], n, d, at)
	case rows == 6:
		scoresF16x6AVX2(&dst[0], &q[0], &k[0], n, d, at)
	case rows == 2:
		scoresF16x2AVX2(&dst[0], &q[0], &k[0], n, d, at)
	default:
		scoresF16x4AVX2(&dst[0], &q[0], &k[0], n, d, at)
	}
}

func addWeightedF16(out, p []float32, v []byte, n int, ahead []byte) {
	rows := len(p) / PositionTile
	d := len(out) / rows
	if !AttendsF16(rows, d) || n > PositionTile {
		addWeightedF16Generic(out, p, v, n)
		return
	}
	out, v = out[:rows*d], v[:2*n*d]
	at := unsafe.SliceData(v)
	if ahead != nil {
		at = unsafe.SliceData(ahead)
	}
	switch {
	case useAVX512 && d%64 == 0 && rows == 6:
		addWeightedF16x6AVX512(&out[0], &p[0], &v[0], n, d, at)
	case useAVX512 && d%64 == 0 && rows == 2:
		addWeightedF16x2AVX512(&out[0], &p[0], &v[0], n, d, at)
	case useAVX512 && d%64 == 0:
		addWeightedF16x4AVX512(&out[0], &p[0], &v[0], n, d, at)
	case rows == 6:
		addWeightedF16x6AVX2(&out[0], &p[0], &v[0], n, d, at)
	case rows == 2:
		addWeightedF16x2AVX2(&out[0], &p[0], &v[0], n, d, at)
	default:
		addWeightedF16x4AVX2(&out[0], &p[0], &v[0], n, d, at)
	}
}

// scoresF16x2AVX2 is ScoresF16 for two queries.
//
//go:noescape
func scoresF16x2AVX2(dst, q *float32, k *byte, n, d int, ahead *byte)

// scoresF16x4AVX2 is ScoresF16 for four queries.
//
//go:noescape
func scoresF16x4AVX2(dst, q *float32, k *byte, n, d int, ahead *byte)

// scoresF16x6AVX2 is ScoresF16 for six queries.
//
//go:noescape
func scoresF16x6AVX2(dst, q *float32, k *byte, n, d int, ahead *byte)

// addWeightedF16x2AVX2 is AddWeightedF16 for two queries.
//
//go:noescape
func addWeightedF16x2AVX2(out, p *float32, v *byte, n, d int, ahead *byte)

// addWeightedF16x4AVX2 is AddWeightedF16 for four rows.
//
//go:noescape
func addWeightedF16x4AVX2(out, p *float32, v *byte, n, d int, ahead *byte)

// addWeightedF16x6AVX2 is AddWeightedF16 for six rows.
//
//go:noescape
func addWeightedF16x6AVX2(out, p *float32, v *byte, n, d int, ahead *byte)

// scoresF16x2AVX512 is ScoresF16 for two queries, in the order of scores2AVX512.
//
//go:noescape
func scoresF16x2AVX512(dst, q *float32, k *byte, n, d int, ahead *byte)

// scoresF16x4AVX512 is ScoresF16 for four queries, in the order of scores2AVX512.
//
//go:noescape
func scoresF16x4AVX512(dst, q *float32, k *byte, n, d int, ahead *byte)

// scoresF16x6AVX512 is ScoresF16 for six queries, in the order of scores2AVX512.
//
//go:noescape
func scoresF16x6AVX512(dst, q *float32, k *byte, n, d int, ahead *byte)

// addWeightedF16x2AVX512 is AddWeightedF16 for two rows of a multiple of 64 numbers.
//
//go:noescape
func addWeightedF16x2AVX512(out, p *float32, v *byte, n, d int, ahead *byte)

// addWeightedF16x4AVX512 is AddWeightedF16 for four rows of a multiple of 64 numbers.
//
//go:noescape
func addWeightedF16x4AVX512(out, p *float32, v *byte, n, d int, ahead *byte)

// addWeightedF16x6AVX512 is AddWeightedF16 for six rows of a multiple of 64 numbers.
//
//go:noescape
func addWeightedF16x6AVX512(out, p *float32, v *byte, n, d int, ahead *byte)
