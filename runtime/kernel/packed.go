package kernel

import (
	"math"

	"st/quant"
)

// Vectors are packed for products with groups of Q4_0 and Q8_0 rows: four at a time, a quad, which go through a block of weights together. Block by block,
// a quad is
//
//	the int8 activations of its vectors, 32 each    128 bytes
//	their scales                                    16 bytes
//	what their sums start from                      16 bytes
//
// and the quads of a block follow each other, so a kernel unpacks a block of weights once for all of them. The sums start from −8·Σq, as the weights
// of Q4_0 are 8 more than they stand for: a long, or two words that share it. Those of Q8_0 are made 128 more.
const quadBytes = 4 * (quant.BlockSize + 4 + 4)

// packTile is the number of vectors that are packed at a time, at most: with 1536 numbers each they take 123 KB.
const packTile = 64

// packed is some vectors of an input.
type packed struct {
	data  []byte    // [blocks, quads, quadBytes]
	own   []byte    // memory for data, where the input does not have it
	acc   []float32 // [quads, 4, GroupRows]
	lines []byte    // what kernels unpack a block to
	quads int
	n     int // vectors; the last quad may have more, which count for nothing
}

// aheadBytes is what the rows of up and down take, for a block of sixteen neurons.
const aheadBytes = 2 * quant.GroupRows * (quant.BlockSize/2 + 2)

// lineBytes is a block of 16 rows, a byte a weight, and their scales.
const lineBytes = quant.GroupRows * (quant.BlockSize + 4)

// packable reports whether products of n vectors with a matrix take packed ones.
func packable(w *Matrix, n int) bool {
	least := minPacked()
	return least > 0 && n >= least && w.Grouped && packsType(w.Type)
}

// wholeQuads returns how many quads of n vectors are packed: all, where a vector has the same bits whatever kernel multiplies it; else whole ones, or with
// up to two vectors less, so one may be left. Two that follow dotBlock vectors are left, too: where an expert's tokens are cut there, they are too few to
// be packed, and a token's bits must not depend on that.
func wholeQuads(n int) int {
	switch {
	case packsAll():
		return (n + 3) / 4
	case n%dotBlock == 2:
		return n / 4
	}
	return (n + 2) / 4
}

// begin makes p ready for n vectors.
func (p *packed) begin(n int) {
	p.quads = wholeQuads(n)
	p.n = min(n, 4*p.quads)
	if p.lines == nil {
		p.lines = make([]byte, lineBytes)
	}
	p.acc = grow(&p.acc, 4*p.quads*quant.GroupRows)
}

// pack packs vectors idx of x, packTile at most, as far as they make quads. It returns how many these are.
func (p *packed) pack(x *Input, idx []int32) (taken int) {
	p.begin(len(idx))
	p.data = grow(&p.own, x.Cols/quant.BlockSize*p.quads*quadBytes)
	for i := range 4 * p.quads {
		v := x.vector(int(idx[min(i, p.n-1)]))
		packVector(p.data[i/4*quadBytes:], p.quads*quadBytes, i%4, &v)
	}
	return p.n
}

// some packs the first vectors of idx, or takes them as x has them packed, where idx are all that it has from vector first on. It returns how many they are.
func (p *packed) some(x *Input, idx []int32, first int) (taken int) {
	n := min(packTile, len(idx))
	if !x.hasPacked(idx, first) {
		return p.pack(x, idx[:n])
	}
	p.begin(n)
	size := x.Cols / quant.BlockSize * quadBytes
	p.data = x.packed[first/4*size:][:p.quads*size]
	return p.n
}

// packVectorGeneric packs vector k of a quad, whose blocks are stride bytes apart. If words, the sums are words.
func packVectorGeneric(to []byte, stride, k int, x *vector, words bool) {
	for b, d := range x.d {
		quad := to[b*stride:][:quadBytes]
		for i, q := range x.q[b*quant.BlockSize:][:quant.BlockSize] {
			quad[k*quant.BlockSize+i] = byte(q)
		}
		le.PutUint32(quad[4*quant.BlockSize+4*k:], math.Float32bits(d))
		start := uint32(-8 * x.sum[b])
		if words {
			half := uint32(uint16(-4 * x.sum[b]))
			start = half<<16 | half
		}
		le.PutUint32(quad[4*quant.BlockSize+16+4*k:], start)
	}
}

// mul multiplies unit u of w, which is packable, with the vectors: dst[t·stride + r] is row r times vector t. If alone, each has the bits that it
// has by itself. If room, dst has room for the vectors that the last quad has more. Meanwhile what lies at ahead is prefetched, as groupPacked does.
func (p *packed) mul(alone, room bool, dst []float32, stride int, w *Matrix, u int, ahead *byte) {
	first, blocks := u*quant.GroupRows, w.Cols/quant.BlockSize
	rows := min(quant.GroupRows, w.Rows-first)
	if rows == quant.GroupRows && packsAll() && (room || p.n == 4*p.quads) {
		groupPackedTo(w.Type, dst[first:], stride, p, w.group(u), blocks, ahead)
		return
	}
	groupPacked(w.Type, alone, p, w.group(u), blocks, ahead)
	if rows == quant.GroupRows {
		for t := range p.n {
			products := *(*[quant.GroupRows]float32)(p.acc[t*quant.GroupRows:]) // a copy in between needs no call of memmove
			*(*[quant.GroupRows]float32)(dst[t*stride+first:]) = products
		}
		return
	}
	for t := range p.n {
		copy(dst[t*stride+first:][:rows], p.acc[t*quant.GroupRows:])
	}
}

// gates stores the products of an expert's chunk of gates with vectors idx of x, which were packed, in dst [MaxBlock, chunkRows]. Meanwhile it
// prefetches the rows of up, the chunk's, if those of down lie between them.
func (p *packed) gates(dst []float32, w, up *Matrix, x *Input, idx []int32) {
	for u := range w.Units() {
		var ahead *byte
		if up.Stride*quant.GroupRows == w.Cols/quant.BlockSize*aheadBytes {
			ahead = &up.Data[u*quant.GroupRows*up.Stride]
		}
		p.mul(false, true, dst, chunkRows, w, u, ahead)
		mulOnes(dst, chunkRows, w, u, x, idx, p.n)
	}
}
