//go:build !noasm

package kernel

import (
	"math/bits"

	"st/quant"
)

// lane8 and lane16 are what eight and sixteen blocks of a vector take, as laneStep says it of laneBlocks.
const (
	//lint:ignore U1000 the assembly counts in it
	lane8 = 8 * (quant.BlockSize + 4 + 4)
	//lint:ignore U1000 the assembly counts in it
	lane16 = 16 * (quant.BlockSize + 4 + 4)
)

// hasLanes reports whether there are kernels for lanes and weights of a type. With AVX2 alone weights of eight bits have nothing to gain: no two
// products of theirs are added before they are longs.
func hasLanes(t quant.Type) bool {
	return t == quant.Q4_0 && useAVX2 || t == quant.Q8_0 && (useVNNI || useAVX512)
}

// laneBlocks returns how many blocks a register of a lane has four bytes of.
func laneBlocks() int {
	if useAVX512 {
		return 16
	}
	return 8
}

// packLane lays out a vector for weights that are so much more than they stand for: see lanes.go.
func packLane(to []byte, x *vector, offset int32) {
	if !useAVX2 {
		packLaneGeneric(to, x, laneBlocks(), offset)
		return
	}
	x.check()
	if len(x.d)%8 != 0 {
		panic("kernel: a lane has eight blocks at a time")
	}
	if len(x.d) == 0 {
		return
	}
	first := &to[:laneBytes(len(x.d))][0]
	if useAVX512 {
		packLaneAVX512(first, &x.q[0], &x.d[0], &x.sum[0], len(x.d), int(offset))
		return
	}
	packLaneAVX2(first, &x.q[0], &x.d[0], &x.sum[0], len(x.d), int(offset))
}

// packLaneAVX2 is packLaneGeneric for eight blocks a register, of a multiple of eight blocks.
//
//go:noescape
func packLaneAVX2(to *byte, q *int8, d *float32, sum *int32, blocks, offset int)

// packLaneAVX512 is packLaneGeneric for sixteen blocks a register, of a multiple of eight blocks.
//
//go:noescape
func packLaneAVX512(to *byte, q *int8, d *float32, sum *int32, blocks, offset int)

// checkRows panics unless all rows of a matrix can be read, which have eight blocks at a time.
func (m *Matrix) checkRows() {
	last := m.Data[(m.Rows-1)*m.Stride:]
	_, _ = last[:m.Type.QuantBytes(m.Cols)], last[m.ScaleOffset:][:m.Cols/16]
	if m.Type.Block() == 1 || m.Cols%(8*quant.BlockSize) != 0 || m.Cols == 0 || m.Rows > chunkRows {
		panic("kernel: the rows do not fit a chunk")
	}
}

// dotsLanes multiplies rows of up with vectors, which lie in lanes: dots[t·chunkRows + r] is row r times vector t, for every bit t of masks[r]. A
// product does not depend on which others are wanted. It works in scratch, which has dotsScratch bytes.
func dotsLanes(dots []float32, up *Matrix, masks *[chunkRows]uint64, lanes, scratch []byte) {
	if !hasLanes(up.Type) {
		dotsLanesGeneric(dots, up, masks, lanes, laneBlocks())
		return
	}
	up.checkRows()
	blocks := up.Cols / quant.BlockSize
	var all uint64
	for _, m := range masks[:up.Rows] {
		all |= m
	}
	tokens := bits.Len64(all)
	if tokens == 0 {
		return
	}
	dots, lanes, scratch = dots[:tokens*chunkRows], lanes[:tokens*laneBytes(blocks)], scratch[:dotsScratch]
	// Every part unpacks the rows anew.
	parts := (tokens + dotsTokens - 1) / dotsTokens
	for from, i := 0, 0; i < parts; i++ {
		end := tokens * (i + 1) / parts
		some := uint64(1<<end - 1<<from)
		quants, scales := &up.Data[0], &up.Data[up.ScaleOffset]
		switch q8 := up.Type == quant.Q8_0; {
		case useAVX512 && q8:
			dotsLanesQ8AVX512(&dots[0], quants, scales, up.Stride, up.Rows, masks, &lanes[0], blocks, &scratch[0], some)
		case useAVX512:
			dotsLanesAVX512(&dots[0], quants, scales, up.Stride, up.Rows, masks, &lanes[0], blocks, &scratch[0], some)
		case useVNNI && q8:
			dotsLanesQ8VNNI(&dots[0], quants, scales, up.Stride, up.Rows, masks, &lanes[0], blocks, &scratch[0], some)
		case useVNNI:
			dotsLanesVNNI(&dots[0], quants, scales, up.Stride, up.Rows, masks, &lanes[0], blocks, &scratch[0], some)
		default:
			dotsLanesAVX2(&dots[0], quants, scales, up.Stride, up.Rows, masks, &lanes[0], blocks, &scratch[0], some)
		}
		from = end
	}
}

// dotsLanesAVX2 is dotsLanesGeneric for Q4_0 rows and eight blocks a register, of a multiple of eight blocks, and for those of the masks' tokens that are
// among the given ones, at most dotsTokens.
//
//go:noescape
func dotsLanesAVX2(dots *float32, quants, scales *byte, stride, rows int, masks *[chunkRows]uint64, lanes *byte, blocks int, scratch *byte, tokens uint64)

// dotsLanesVNNI is dotsLanesAVX2, to the bit.
//
//go:noescape
func dotsLanesVNNI(dots *float32, quants, scales *byte, stride, rows int, masks *[chunkRows]uint64, lanes *byte, blocks int, scratch *byte, tokens uint64)

// dotsLanesAVX512 is dotsLanesAVX2 for sixteen blocks a register.
//
//go:noescape
func dotsLanesAVX512(dots *float32, quants, scales *byte, stride, rows int, masks *[chunkRows]uint64, lanes *byte, blocks int, scratch *byte, tokens uint64)

// dotsLanesQ8AVX512 is dotsLanesAVX512 for Q8_0 rows.
//
//go:noescape
func dotsLanesQ8AVX512(dots *float32, quants, scales *byte, stride, rows int, masks *[chunkRows]uint64, lanes *byte, blocks int, scratch *byte, tokens uint64)

// dotsLanesQ8VNNI is dotsLanesVNNI for Q8_0 rows.
//
//go:noescape
func dotsLanesQ8VNNI(dots *float32, quants, scales *byte, stride, rows int, masks *[chunkRows]uint64, lanes *byte, blocks int, scratch *byte, tokens uint64)
