package kernel

import (
	"math"
	"unsafe"

	"st/quant"
)

// Eight vectors at a time, for instructions that multiply matrices: SMMLA multiplies two rows with two vectors, eight numbers deep. The
// vectors are interleaved once for all rows of a product. A block of 32 numbers is eightWords words of 64 bits: for j = 0, 1 and each
// of four pairs of vectors (a, b) the words a[j], b[j], a[2+j], b[2+j] of their blocks' four words, in which order Q4_0 has its nibbles
// too; then for each pair the scale of a twice, and that of b twice.
const eightWords = 8*4 + 8

// packEight interleaves up to eight vectors of x: those that lack are the last one again.
func packEight(dst []uint64, x *Input, idx []int32) {
	blocks := x.Cols / quant.BlockSize
	dst = dst[:blocks*eightWords]
	for k := range 8 {
		v := x.vector(int(idx[min(k, len(idx)-1)]))
		v.check()
		q := unsafe.Slice((*[quant.BlockSize]byte)(unsafe.Pointer(unsafe.SliceData(v.q))), blocks)
		at := k/2*4 + k%2
		for b := range q {
			to := (*[eightWords]uint64)(dst[b*eightWords:])
			to[at] = le.Uint64(q[b][:])
			to[at+2] = le.Uint64(q[b][16:])
			to[at+16] = le.Uint64(q[b][8:])
			to[at+18] = le.Uint64(q[b][24:])
			d := uint64(math.Float32bits(v.d[b]))
			to[32+k] = d | d<<32
		}
	}
}

// eights is the most vectors, in eights, that mulEights interleaves at once: they stay in the L2 cache.
const eights = 4

// mulEights multiplies units of a grouped matrix with vectors, eight at a time, each with the bits that it has by itself. Five and more are
// filled up to eight. It returns how many vectors it took.
func mulEights(dst []float32, stride int, w *Matrix, from, to int, x *Input, idx []int32, scratch *Scratch) (done int) {
	words := x.Cols / quant.BlockSize * eightWords
	for len(idx)-done >= 5 {
		n := min((len(idx)-done+3)/8, eights)
		packed := grow(&scratch.eights, n*words)
		for i := range n {
			packEight(packed[i*words:], x, idx[done+8*i:min(done+8*i+8, len(idx))])
		}
		for u := from; u < to; u++ {
			first := u * quant.GroupRows
			rows := min(quant.GroupRows, w.Rows-first)
			for i := range n {
				var acc [8][quant.GroupRows]float32
				groupEight(w.Type, &acc, w.group(u), packed[i*words:][:words])
				for k := range min(8, len(idx)-done-8*i) {
					copy(dst[(done+8*i+k)*stride+first:][:rows], acc[k][:rows])
				}
			}
		}
		done = min(done+8*n, len(idx))
	}
	return done
}
