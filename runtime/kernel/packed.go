package kernel

import (
	"math"

	"st/quant"
)

// Vectors are packed for products with groups of Q4_0 rows: four at a time, a quad, which go through a block of weights together. Block by block,
// a quad is
//
//	the int8 activations of its vectors, 32 each    128 bytes
//	their scales                                    16 bytes
//	what their sums start from                      16 bytes
//
// and the quads of a block follow each other, so a kernel unpacks a block of weights once for all of them. The sums start from −8·Σq, as the weights
// are 8 more than they stand for: a long, or two words that share it.
const quadBytes = 4 * (quant.BlockSize + 4 + 4)

// packTile is the number of vectors that are packed at a time, at most: with 1536 numbers each they take 123 KB.
const packTile = 64

// packed is some vectors of an input.
type packed struct {
	data  []byte    // [blocks, quads, quadBytes]
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
	return least > 0 && n >= least && w.Grouped && w.Type == quant.Q4_0
}

// pack packs vectors idx of x, packTile at most: as many as make whole quads, or one less. It returns how many: two or one may be left, unless
// packsAll: where a vector has the same bits whatever kernel multiplies it, the last quad is filled up.
func (p *packed) pack(x *Input, idx []int32) (taken int) {
	nb := x.Cols / quant.BlockSize
	p.quads = (len(idx) + 1) / 4
	if packsAll() {
		p.quads = (len(idx) + 3) / 4
	}
	p.n = min(len(idx), 4*p.quads)
	if p.lines == nil {
		p.lines = make([]byte, lineBytes)
	}
	p.acc = grow(&p.acc, 4*p.quads*quant.GroupRows)
	p.data = grow(&p.data, nb*p.quads*quadBytes)
	var v [4]vector
	for quad := range p.quads {
		for k := range v {
			v[k] = x.vector(int(idx[min(4*quad+k, p.n-1)]))
		}
		packQuad(p.data[quad*quadBytes:], p.quads*quadBytes, &v)
	}
	return p.n
}

// packQuadGeneric packs four vectors, block by block, which are stride bytes apart. If words, the sums are words.
func packQuadGeneric(to []byte, stride int, x *[4]vector, words bool) {
	for b := range x[0].d {
		quad := to[b*stride:][:quadBytes]
		for k := range x {
			for i, q := range x[k].q[b*quant.BlockSize:][:quant.BlockSize] {
				quad[k*quant.BlockSize+i] = byte(q)
			}
			le.PutUint32(quad[4*quant.BlockSize+4*k:], math.Float32bits(x[k].d[b]))
			start := uint32(-8 * x[k].sum[b])
			if words {
				half := uint32(uint16(-4 * x[k].sum[b]))
				start = half<<16 | half
			}
			le.PutUint32(quad[4*quant.BlockSize+16+4*k:], start)
		}
	}
}

// mul multiplies unit u of w, which is packable, with the vectors: dst[t·stride + r] is row r times vector t. If alone, each has the bits that it
// has by itself. Meanwhile what lies at ahead is prefetched, as groupPacked does.
func (p *packed) mul(alone bool, dst []float32, stride int, w *Matrix, u int, ahead *byte) {
	groupPacked(alone, p, w.group(u), w.Cols/quant.BlockSize, ahead)
	first := u * quant.GroupRows
	rows := min(quant.GroupRows, w.Rows-first)
	if rows == quant.GroupRows {
		for t := range p.n {
			*(*[quant.GroupRows]float32)(dst[t*stride+first:]) = *(*[quant.GroupRows]float32)(p.acc[t*quant.GroupRows:])
		}
		return
	}
	for t := range p.n {
		copy(dst[t*stride+first:][:rows], p.acc[t*quant.GroupRows:])
	}
}

// gates stores the products of an expert's chunk of gates with vectors idx of x, which were packed, in dst, chunkRows for each. Meanwhile it
// prefetches the rows of up, the chunk's, if those of down lie between them.
func (p *packed) gates(dst []float32, w, up *Matrix, x *Input, idx []int32) {
	for u := range w.Units() {
		var ahead *byte
		if up.Stride*quant.GroupRows == w.Cols/quant.BlockSize*aheadBytes {
			ahead = &up.Data[u*quant.GroupRows*up.Stride]
		}
		p.mul(false, dst, chunkRows, w, u, ahead)
		mulOnes(dst, chunkRows, w, u, x, idx, p.n)
	}
}
