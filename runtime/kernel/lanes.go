package kernel

import (
	"math"
	"math/bits"

	"st/quant"
)

// Products of up rows with the tokens of a batch. Which tokens meet a row is known when its gates are, so a call takes all of a chunk's rows, with a mask
// of tokens for each.
//
// A vector is laid out as a lane: a register has four bytes, or one number, of each of some blocks, so that no sum crosses it before the row ends, and
// what belongs to a block is done for all of them by one instruction. Some is 16 with registers of 512 bits, and else 8: see laneBlocks. Of n blocks, place p
// of a register has the one that place names: this is what transposing four by four in 128 bits leaves of blocks that lie one after the other.
const (
	// dotsTokens is the most tokens that a kernel multiplies with a row, a multiple of four: the lanes of as many, of 1536 numbers each, stay in the L1
	// cache until the next row comes.
	dotsTokens = 16
	// dotsScratch is the working memory of kernels: the scales of three times sixteen blocks, and from dotsSums on a register of sums for each token.
	dotsSums    = 3 * 64
	dotsScratch = dotsSums + dotsTokens*64
)

// place returns the block, or the column, at place p of a register that has n.
func place(p, n int) int { return p/4 + p%4*(n/4) }

// laneStep returns what laneBlocks blocks of a vector take: for k = 0…7 their numbers 4k to 4k+3, their scales, and −laneOffset·Σq as longs, which sums
// start from. Blocks that the vector does not have are zero.
func laneStep() int { return laneBlocks() * (quant.BlockSize + 4 + 4) }

// laneOffset returns how much more weights of a type are, as kernels multiply them, than what they stand for: kernels want them without a sign.
func laneOffset(t quant.Type) int32 {
	if t == quant.Q8_0 {
		return 128
	}
	return 8
}

// laneBytes returns what a vector of n blocks takes.
func laneBytes(n int) int { return (n + laneBlocks() - 1) / laneBlocks() * laneStep() }

// lanes reports whether the expert's up rows are multiplied with lanes.
func (e *Expert) lanes() bool {
	return hasLanes(e.Up.Type) && e.Up.Cols%(8*quant.BlockSize) == 0 && e.Up.Cols > 0
}

// lanes are vectors that are laid out so.
type lanes struct {
	bytes []byte    // dotsScratch, then the lanes
	dots  []float32 // [tokens, chunkRows] products with up rows
	size  int       // of a vector
}

// pack lays out vectors idx of x for products with weights of a type.
func (l *lanes) pack(t quant.Type, x *Input, idx []int32) {
	l.size = laneBytes(x.Cols / quant.BlockSize)
	grow(&l.dots, MaxBlock*chunkRows)
	// A large piece of memory begins with a cache line, as every step of a lane does then, or half of one.
	grow(&l.bytes, dotsScratch+MaxBlock*l.size)
	for i, at := range idx {
		v := x.vector(int(at))
		packLane(l.bytes[dotsScratch+i*l.size:][:l.size], &v, laneOffset(t))
	}
}

// multiply fills dots with the products of up's rows with as many vectors, of which masks have those that are wanted of each row.
func (l *lanes) multiply(up *Matrix, masks *[chunkRows]uint64, tokens int) {
	dotsLanes(l.dots, up, masks, l.bytes[dotsScratch:][:tokens*l.size], l.bytes[:dotsScratch])
}

// packLaneGeneric lays out a vector, n blocks a register, for weights that are so much more than they stand for.
func packLaneGeneric(to []byte, x *vector, n int, offset int32) {
	clear(to)
	size := n * (quant.BlockSize + 4 + 4)
	for i := 0; i*n < len(x.d); i++ {
		step := to[i*size:][:size]
		for p := range n {
			b := i*n + place(p, n)
			if b >= len(x.d) {
				continue
			}
			for j, q := range x.q[b*quant.BlockSize:][:quant.BlockSize] {
				step[(j/4*n+p)*4+j%4] = byte(q)
			}
			le.PutUint32(step[n*quant.BlockSize+4*p:], math.Float32bits(x.d[b]))
			le.PutUint32(step[n*(quant.BlockSize+4)+4*p:], uint32(-offset*x.sum[b]))
		}
	}
}

// dotsLanesGeneric multiplies rows of up with vectors, which lie in lanes, n blocks a register: dots[t·chunkRows + r] is row r times vector t, for every
// bit t of masks[r]. It sums up what every place of a register has, and then the places.
func dotsLanesGeneric(dots []float32, up *Matrix, masks *[chunkRows]uint64, lanes []byte, n int) {
	blocks := up.Cols / quant.BlockSize
	size := n * (quant.BlockSize + 4 + 4)
	stride := (blocks + n - 1) / n * size
	for r := range up.Rows {
		quants, scales := up.row(r)
		for mask := masks[r]; mask != 0; mask &= mask - 1 {
			t := bits.TrailingZeros64(mask)
			var sums [16]float32
			for i := 0; i < blocks; i += n {
				step := lanes[t*stride+i/n*size:][:size]
				for p := range n {
					b := i + place(p, n)
					if b >= blocks {
						continue
					}
					sum := int32(le.Uint32(step[n*(quant.BlockSize+4)+4*p:]))
					for j := range quant.BlockSize {
						sum += laneWeight(up.Type, quants, b, j) * int32(int8(step[(j/4*n+p)*4+j%4]))
					}
					d := math.Float32frombits(le.Uint32(step[n*quant.BlockSize+4*p:])) * quant.HalfToFloat(le.Uint16(scales[2*b:]))
					sums[p] += float32(sum) * d
				}
			}
			var dot float32
			for _, s := range sums[:n] {
				dot += s
			}
			dots[t*chunkRows+r] = dot
		}
	}
}

// laneWeight returns weight j of block b, laneOffset more than it stands for.
func laneWeight(t quant.Type, quants []byte, b, j int) int32 {
	if t == quant.Q8_0 {
		return int32(int8(quants[b*quant.BlockSize+j])) + laneOffset(t)
	}
	const half = quant.BlockSize / 2
	return int32(quants[b*half+j%half] >> (j / half * 4) & 15)
}
