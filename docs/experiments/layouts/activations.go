package layouts

import "math"

const (
	blockCols = 32 // weights in a Q4_0 block
	quantSize = 16 // bytes of their nibbles
	scaleSize = 2  // bytes of their float16 scale
	span      = 8  // blocks that the row kernels take at a time
)

// activations are n vectors in int8 blocks of 32, in the two orders that the
// kernels read. The tile kernels and the plain Go twins read q, scale and off,
// ordered [block][vector]. The row kernels read the rest, ordered
// [span of 8 blocks][vector] and within a span as pairedQuant and pairedBlock
// say, which is the order in which a span's products fall out of the AVX2
// arithmetic.
type activations struct {
	n, blocks int

	q     []int8
	scale []float32
	off   []int32 // 8 × the sum of the block's q

	pairedQ     []int8
	pairedScale []float32
	pairedOff   []int32
}

// pairedQuant is the place of value e of block k within a span: two blocks
// side by side in a 32-byte register, first their low nibbles' partners, then
// their high nibbles'.
func pairedQuant(k, e int) int { return k/2*64 + e/16*32 + k%2*16 + e%16 }

// pairedBlock is the place of block k within a span: even blocks, odd blocks.
func pairedBlock(k int) int { return k/2 + k%2*4 }

// quantize rounds the vectors, all of one length, a multiple of 32; of 256 for the
// row kernels.
func quantize(vectors ...[]float32) *activations {
	n, cols := len(vectors), len(vectors[0])
	blocks := cols / blockCols
	paired := (blocks + span - 1) / span * span
	a := &activations{
		n: n, blocks: blocks,
		q: make([]int8, n*cols), scale: make([]float32, n*blocks), off: make([]int32, n*blocks),
		pairedQ: make([]int8, n*paired*blockCols), pairedScale: make([]float32, n*paired), pairedOff: make([]int32, n*paired),
	}
	for v, x := range vectors {
		for b := range blocks {
			a.quantizeBlock(v, b, x[b*blockCols:][:blockCols])
		}
	}
	return a
}

func (a *activations) quantizeBlock(v, b int, x []float32) {
	var peak float32
	for _, f := range x {
		peak = max(peak, f, -f)
	}
	scale := peak / 127
	inverse := float32(0)
	if scale > 0 {
		inverse = 1 / scale
	}
	at := b*a.n + v
	paired := (b/span*a.n + v) * span
	var sum int32
	for e, f := range x {
		q := int8(math.RoundToEven(float64(f * inverse)))
		sum += int32(q)
		a.q[at*blockCols+e] = q
		a.pairedQ[paired*blockCols+pairedQuant(b%span, e)] = q
	}
	a.scale[at], a.off[at] = scale, 8*sum
	paired += pairedBlock(b % span)
	a.pairedScale[paired], a.pairedOff[paired] = scale, 8*sum
}

// blockDot is the integer product of a block's nibbles with block at of a.
func (a *activations) blockDot(quants []byte, at int) int32 {
	x := a.q[at*blockCols:][:blockCols]
	var sum int32
	for i, c := range quants[:quantSize] {
		sum += int32(c&15)*int32(x[i]) + int32(c>>4)*int32(x[i+16])
	}
	return sum - a.off[at]
}

// half reads a float16.
func half(b []byte) float32 {
	bits := uint32(b[0]) | uint32(b[1])<<8
	sign, exp, frac := bits>>15<<31, bits>>10&31, bits&1023
	var f float32
	switch exp {
	case 0:
		f = float32(frac) / (1 << 24)
	case 31:
		f = math.Float32frombits(0x7f800000 | frac<<13)
	default:
		f = math.Float32frombits((exp+112)<<23 | frac<<13)
	}
	return math.Float32frombits(math.Float32bits(f) | sign)
}
