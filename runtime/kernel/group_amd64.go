//go:build !noasm

package kernel

import "st/quant"

func groupQ4(acc *[quant.GroupRows]float32, group []byte, x *vector) {
	if !useAVX2 {
		groupQ4Generic(acc, group, x)
		return
	}
	x.check()
	group = group[:quant.Q4_0.GroupBytes(len(x.q))]
	if useAVX512 {
		groupQ4AVX512(acc, group, x)
		return
	}
	groupQ4AVX2(acc, group, x)
}

func groupQ4x4(acc *[4][quant.GroupRows]float32, group []byte, x *[4]vector) {
	if !useAVX2 {
		groupQ4x4Generic(acc, group, x)
		return
	}
	checkFour(x)
	group = group[:quant.Q4_0.GroupBytes(len(x[0].q))]
	if useAVX512 {
		groupQ4x4EachAVX512(acc, group, x)
		return
	}
	if useVNNI {
		groupQ4x4VNNI(acc, group, x)
		return
	}
	groupQ4x4AVX2(acc, group, x)
}

func groupQ4x4Each(acc *[4][quant.GroupRows]float32, group []byte, x *[4]vector) {
	if !useAVX2 {
		groupQ4x4Generic(acc, group, x)
		return
	}
	checkFour(x)
	group = group[:quant.Q4_0.GroupBytes(len(x[0].q))]
	if useAVX512 {
		groupQ4x4EachAVX512(acc, group, x)
		return
	}
	if useVNNI {
		groupQ4x4EachVNNI(acc, group, x)
		return
	}
	groupQ4x4EachAVX2(acc, group, x)
}

func groupQ8(acc *[quant.GroupRows]float32, group []byte, x *vector) {
	if !useAVX2 {
		groupQ8Generic(acc, group, x)
		return
	}
	x.check()
	group = group[:quant.Q8_0.GroupBytes(len(x.q))]
	if useAVX512 {
		groupQ8AVX512(acc, group, x)
		return
	}
	groupQ8AVX2(acc, group, x)
}

// pairsVectors reports whether groupQ4Pair is faster than two kernels.
func pairsVectors() bool { return useAVX512 }

// groupQ4Pair is groupQ4 for two vectors, to the bit.
func groupQ4Pair(acc *[2][quant.GroupRows]float32, group []byte, x *[2]vector) {
	if !useAVX512 {
		groupQ4(&acc[0], group, &x[0])
		groupQ4(&acc[1], group, &x[1])
		return
	}
	checkPair(x)
	groupQ4PairAVX512(acc, group[:quant.Q4_0.GroupBytes(len(x[0].q))], x)
}

// hasEights reports whether groupEight is faster than other kernels.
func hasEights() bool { return false }

func groupEight(t quant.Type, acc *[8][quant.GroupRows]float32, group []byte, x []uint64) {
	groupEightGeneric(t, acc, group, x)
}

// pairsGroups reports whether group2 is faster than two kernels.
func pairsGroups() bool { return useAVX2 }

// group2 multiplies two groups of a block type with one vector.
func group2(t quant.Type, acc *[2][quant.GroupRows]float32, a, b []byte, x *vector) {
	if !pairsGroups() {
		groupOne(t, &acc[0], a, x)
		groupOne(t, &acc[1], b, x)
		return
	}
	x.check()
	a, b = a[:t.GroupBytes(len(x.q))], b[:t.GroupBytes(len(x.q))]
	switch {
	case useAVX512 && t == quant.Q4_0:
		groupQ4x2AVX512(acc, a, b, x)
	case useAVX512:
		groupQ8x2AVX512(acc, a, b, x)
	case useVNNI && t == quant.Q4_0:
		groupQ4x2VNNI(acc, a, b, x)
	case useVNNI:
		groupQ8x2VNNI(acc, a, b, x)
	case t == quant.Q4_0:
		groupQ4x2AVX2(acc, a, b, x)
	default:
		groupQ8x2AVX2(acc, a, b, x)
	}
}

// groupQ4x2AVX2 is groupQ4AVX2 for two groups, to the bit.
//
//go:noescape
func groupQ4x2AVX2(acc *[2][quant.GroupRows]float32, a, b []byte, x *vector)

// groupQ8x2AVX2 is groupQ8AVX2 for two groups, to the bit.
//
//go:noescape
func groupQ8x2AVX2(acc *[2][quant.GroupRows]float32, a, b []byte, x *vector)

// groupQ4x2VNNI is groupQ4x2AVX2, to the bit.
//
//go:noescape
func groupQ4x2VNNI(acc *[2][quant.GroupRows]float32, a, b []byte, x *vector)

// groupQ8x2VNNI is groupQ8x2AVX2, to the bit.
//
//go:noescape
func groupQ8x2VNNI(acc *[2][quant.GroupRows]float32, a, b []byte, x *vector)

// groupQ4x2AVX512 is groupQ4AVX512 for two groups, to the bit.
//
//go:noescape
func groupQ4x2AVX512(acc *[2][quant.GroupRows]float32, a, b []byte, x *vector)

// groupQ8x2AVX512 is groupQ8AVX512 for two groups, to the bit.
//
//go:noescape
func groupQ8x2AVX512(acc *[2][quant.GroupRows]float32, a, b []byte, x *vector)

// groupQ4AVX2 is groupQ4Generic.
//
//go:noescape
func groupQ4AVX2(acc *[quant.GroupRows]float32, group []byte, x *vector)

// groupQ4x4AVX2 is groupQ4x4Generic. The vectors are as long as the first.
//
//go:noescape
func groupQ4x4AVX2(acc *[4][quant.GroupRows]float32, group []byte, x *[4]vector)

// groupQ4x4EachAVX2 is groupQ4AVX2 for four vectors, to the bit.
//
//go:noescape
func groupQ4x4EachAVX2(acc *[4][quant.GroupRows]float32, group []byte, x *[4]vector)

// groupQ8AVX2 is groupQ8Generic.
//
//go:noescape
func groupQ8AVX2(acc *[quant.GroupRows]float32, group []byte, x *vector)

// groupQ4AVX512 is groupQ4Generic.
//
//go:noescape
func groupQ4AVX512(acc *[quant.GroupRows]float32, group []byte, x *vector)

// groupQ4x4EachAVX512 is groupQ4AVX512 for four vectors, to the bit. They are as long as the first.
//
//go:noescape
func groupQ4x4EachAVX512(acc *[4][quant.GroupRows]float32, group []byte, x *[4]vector)

// groupQ4PairAVX512 is groupQ4AVX512 for two vectors, to the bit. The second is as long as the first.
//
//go:noescape
func groupQ4PairAVX512(acc *[2][quant.GroupRows]float32, group []byte, x *[2]vector)

// groupQ8AVX512 is groupQ8Generic.
//
//go:noescape
func groupQ8AVX512(acc *[quant.GroupRows]float32, group []byte, x *vector)

// groupQ4x4VNNI is groupQ4x4AVX2, to the bit.
//
//go:noescape
func groupQ4x4VNNI(acc *[4][quant.GroupRows]float32, group []byte, x *[4]vector)

// groupQ4x4EachVNNI is groupQ4AVX2 for four vectors, to the bit.
//
//go:noescape
func groupQ4x4EachVNNI(acc *[4][quant.GroupRows]float32, group []byte, x *[4]vector)
