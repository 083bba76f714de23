//go:build !noasm

package kernel

import "st/quant"

// minPacked is the fewest vectors that are worth packing; 0: there are no kernels for packed vectors.
func minPacked() int {
	if useAVX2 {
		return 3
	}
	return 0
}

// packsType reports whether there are kernels for packed vectors and groups of a type.
func packsType(t quant.Type) bool { return t == quant.Q4_0 || t == quant.Q8_0 }

// packsAll reports whether no vectors are left when some are packed.
func packsAll() bool { return useAVX512 }

// packsWords reports whether what sums start from is two words.
func packsWords() bool { return useAVX2 && !useVNNI && !useAVX512 }

// packVector packs vector k of a quad, whose blocks are stride bytes apart.
func packVector(to []byte, stride, k int, x *vector) {
	if !useAVX2 {
		packVectorGeneric(to, stride, k, x, packsWords())
		return
	}
	x.check()
	if n := len(x.d); n > 0 {
		_ = to[(n-1)*stride:][:quadBytes]
		packVectorAVX2(&to[0], stride, k&3, x, packsWords())
	}
}

// packVectorAVX2 is packVectorGeneric, to the bit.
//
//go:noescape
func packVectorAVX2(to *byte, stride, k int, x *vector, words bool)

// groupPacked stores the products of a group of so many blocks of type t with packed vectors in acc [4·quads, GroupRows]. It prefetches aheadBytes of what
// lies at ahead for every block, of which it reads nothing, unless ahead is nil.
func groupPacked(t quant.Type, alone bool, p *packed, group []byte, blocks int, ahead *byte) {
	if !useAVX2 {
		groupPackedGeneric(t, p, group, blocks)
		return
	}
	if useAVX512 {
		groupPackedTo(t, p.acc, quant.GroupRows, p, group, blocks, ahead)
		return
	}
	group = group[:t.GroupBytes(blocks*quant.BlockSize)]
	data := p.data[:blocks*p.quads*quadBytes]
	if p.quads == 0 {
		return
	}
	acc, lines := &p.acc[:4*p.quads*quant.GroupRows][0], &p.lines[:lineBytes][0]
	switch {
	case useVNNI && t == quant.Q8_0:
		groupPackedQ8VNNI(acc, lines, group, data, p.quads, blocks, ahead)
	case t == quant.Q8_0:
		groupPackedQ8AVX2(acc, lines, group, data, p.quads, blocks, ahead)
	case useVNNI && alone:
		groupPackedEachVNNI(acc, lines, group, data, p.quads, blocks, ahead)
	case useVNNI:
		groupPackedVNNI(acc, lines, group, data, p.quads, blocks, ahead)
	case alone:
		groupPackedEachAVX2(acc, lines, group, data, p.quads, blocks, ahead)
	default:
		groupPackedAVX2(acc, lines, group, data, p.quads, blocks, ahead)
	}
}

// groupPackedTo is groupPacked, where packsAll, with products of vector i stored from dst[i·stride] on, also those that the last quad has more.
func groupPackedTo(t quant.Type, dst []float32, stride int, p *packed, group []byte, blocks int, ahead *byte) {
	if !packsAll() {
		panic("kernel: products with packed vectors are stored in order")
	}
	if p.quads == 0 {
		return
	}
	_ = dst[(4*p.quads-1)*stride:][:quant.GroupRows]
	group, data := group[:t.GroupBytes(blocks*quant.BlockSize)], p.data[:blocks*p.quads*quadBytes]
	if t == quant.Q8_0 {
		groupPackedQ8AVX512(&dst[0], stride, group, data, p.quads, blocks, ahead)
		return
	}
	groupPackedEachAVX512(&dst[0], stride, group, data, p.quads, blocks, ahead)
}

// groupPackedAVX2 is groupQ4x4AVX2 for every quad, to the bit.
//
//go:noescape
func groupPackedAVX2(acc *float32, lines *byte, group, packed []byte, quads, blocks int, ahead *byte)

// groupPackedEachAVX2 is groupQ4AVX2 for every vector, to the bit.
//
//go:noescape
func groupPackedEachAVX2(acc *float32, lines *byte, group, packed []byte, quads, blocks int, ahead *byte)

// groupPackedVNNI is groupPackedAVX2, to the bit.
//
//go:noescape
func groupPackedVNNI(acc *float32, lines *byte, group, packed []byte, quads, blocks int, ahead *byte)

// groupPackedEachVNNI is groupPackedEachAVX2, to the bit.
//
//go:noescape
func groupPackedEachVNNI(acc *float32, lines *byte, group, packed []byte, quads, blocks int, ahead *byte)

// groupPackedQ8AVX2 is groupQ8AVX2 for every vector, to the bit.
//
//go:noescape
func groupPackedQ8AVX2(acc *float32, lines *byte, group, packed []byte, quads, blocks int, ahead *byte)

// groupPackedQ8VNNI is groupPackedQ8AVX2, to the bit.
//
//go:noescape
func groupPackedQ8VNNI(acc *float32, lines *byte, group, packed []byte, quads, blocks int, ahead *byte)

// groupPackedEachAVX512 is groupQ4AVX512 for every vector, to the bit. It stores the products of vector i from dst[i·stride] on.
//
//go:noescape
func groupPackedEachAVX512(dst *float32, stride int, group, packed []byte, quads, blocks int, ahead *byte)

// groupPackedQ8AVX512 is groupQ8AVX512 for every vector, to the bit. It stores them as groupPackedEachAVX512 does.
//
//go:noescape
func groupPackedQ8AVX512(dst *float32, stride int, group, packed []byte, quads, blocks int, ahead *byte)
