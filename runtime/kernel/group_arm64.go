//go:build !noasm

package kernel

import "st/quant"

func groupQ4(acc *[quant.GroupRows]float32, group []byte, x *vector) {
	if !useNEON {
		groupQ4Generic(acc, group, x)
		return
	}
	x.check()
	group = group[:quant.Q4_0.GroupBytes(len(x.q))]
	if useDotProd {
		groupQ4DotProd(acc, group, x)
	} else {
		groupQ4NEON(acc, group, x)
	}
}

// groupQ4x4Each is groupQ4x4, whose bits are those of groupQ4.
func groupQ4x4Each(acc *[4][quant.GroupRows]float32, group []byte, x *[4]vector) {
	groupQ4x4(acc, group, x)
}

func groupQ4x4(acc *[4][quant.GroupRows]float32, group []byte, x *[4]vector) {
	if !useNEON {
		groupQ4x4Generic(acc, group, x)
		return
	}
	if !useDotProd {
		// Without SDOT the work of unpacking weights is small, next to the products.
		for i := range x {
			groupQ4(&acc[i], group, &x[i])
		}
		return
	}
	checkFour(x)
	groupQ4x4DotProd(acc, group[:quant.Q4_0.GroupBytes(len(x[0].q))], x)
}

func groupQ8(acc *[quant.GroupRows]float32, group []byte, x *vector) {
	if !useNEON {
		groupQ8Generic(acc, group, x)
		return
	}
	x.check()
	group = group[:quant.Q8_0.GroupBytes(len(x.q))]
	if useDotProd {
		groupQ8DotProd(acc, group, x)
	} else {
		groupQ8NEON(acc, group, x)
	}
}

// pairsVectors reports whether groupQ4Pair is faster than two kernels: without SDOT unpacking weights is a small part of the work.
func pairsVectors() bool { return useDotProd }

// groupQ4Pair is groupQ4 for two vectors, to the bit.
func groupQ4Pair(acc *[2][quant.GroupRows]float32, group []byte, x *[2]vector) {
	if !useDotProd {
		groupQ4(&acc[0], group, &x[0])
		groupQ4(&acc[1], group, &x[1])
		return
	}
	checkPair(x)
	groupQ4PairDotProd(acc, group[:quant.Q4_0.GroupBytes(len(x[0].q))], x)
}

// hasEights reports whether groupEight is faster than other kernels.
func hasEights() bool { return useI8MM }

// groupEight multiplies a group of a block type with eight vectors (see [packEight]), each with the bits that it has by itself.
func groupEight(t quant.Type, acc *[8][quant.GroupRows]float32, group []byte, x []uint64) {
	if !useI8MM {
		groupEightGeneric(t, acc, group, x)
		return
	}
	blocks := len(x) / eightWords
	group = group[:t.GroupBytes(blocks*quant.BlockSize)]
	if t == quant.Q4_0 {
		groupQ4x8I8MM(acc, group, x[:blocks*eightWords])
	} else {
		groupQ8x8I8MM(acc, group, x[:blocks*eightWords])
	}
}

// pairsGroups reports whether group2 is faster than two kernels.
func pairsGroups() bool { return false }

// group2 multiplies two groups of a block type with one vector.
func group2(t quant.Type, acc *[2][quant.GroupRows]float32, a, b []byte, x *vector) {
	groupOne(t, &acc[0], a, x)
	groupOne(t, &acc[1], b, x)
}

// groupQ4DotProd is groupQ4Generic.
//
//go:noescape
func groupQ4DotProd(acc *[quant.GroupRows]float32, group []byte, x *vector)

// groupQ4NEON is groupQ4Generic.
//
//go:noescape
func groupQ4NEON(acc *[quant.GroupRows]float32, group []byte, x *vector)

// groupQ4x4DotProd is groupQ4x4Generic. The vectors are as long as the first.
//
//go:noescape
func groupQ4x4DotProd(acc *[4][quant.GroupRows]float32, group []byte, x *[4]vector)

// groupQ4PairDotProd is groupQ4DotProd for two vectors, to the bit. The second is as long as the first.
//
//go:noescape
func groupQ4PairDotProd(acc *[2][quant.GroupRows]float32, group []byte, x *[2]vector)

// groupQ8DotProd is groupQ8Generic.
//
//go:noescape
func groupQ8DotProd(acc *[quant.GroupRows]float32, group []byte, x *vector)

// groupQ8NEON is groupQ8Generic.
//
//go:noescape
func groupQ8NEON(acc *[quant.GroupRows]float32, group []byte, x *vector)

// groupQ4x8I8MM is groupEightGeneric for Q4_0.
//
//go:noescape
func groupQ4x8I8MM(acc *[8][quant.GroupRows]float32, group []byte, x []uint64)

// groupQ8x8I8MM is groupEightGeneric for Q8_0.
//
//go:noescape
func groupQ8x8I8MM(acc *[8][quant.GroupRows]float32, group []byte, x []uint64)
