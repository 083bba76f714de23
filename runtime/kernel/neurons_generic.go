package kernel

import (
	"math"

	"st/quant"
)

// neuronsQ4Generic adds down_j · (up_j·x) · h[i] to y for every j = neurons[i]: rows of Q4_0 matrices with one stride.
func neuronsQ4Generic(y []float32, neurons []int32, h []float32, up, down *Matrix, x *vector) {
	for i, j := range neurons {
		quants, scales := up.row(int(j))
		f := h[i] * dotQ4Generic(quants, scales, x)
		quants, scales = down.row(int(j))
		axpyQ4Generic(y, f, quants, scales)
	}
}

// dotQ4x4Generic is dotQ4Generic for four vectors.
func dotQ4x4Generic(dots *[4]float32, quants, scales []byte, x *[4]vector) {
	for i := range x {
		dots[i] = dotQ4Generic(quants, scales, &x[i])
	}
}

// decodeRowsQ4Generic fills row i of dst [len(rows), tileCols] with the numbers of row rows[i] of a matrix of Q4_0 rows, whose
// first row's quants and scales are given, and the next ones' are stride bytes further.
func decodeRowsQ4Generic(dst []float32, quants, scales []byte, stride int, rows []int32) {
	const size, scaleSize = tileCols / 2, tileCols / 16
	for i, r := range rows {
		at := int(r) * stride
		quant.Q4_0.Decode(dst[i*tileCols:][:tileCols], quants[at:][:size], scales[at:][:scaleSize])
	}
}

// addTileGeneric adds to cols columns of each token's row of y [tokens, tileCols] its factors' h times their rows of the tile, in order.
func addTileGeneric(y []float32, cols, tokens int, s *batch) {
	for t := range tokens {
		for _, f := range s.factors[s.start[t]:s.end[t]] {
			axpyGeneric(y[t*tileCols:][:cols], f.h, s.tile[f.at:][:cols])
		}
	}
}

// positiveGeneric stores in masks which gates of each token, chunkRows of them, are positive. There is no branch on a gate, which nobody can predict.
func positiveGeneric(masks *[MaxBlock]uint64, gates []float32) {
	for t := range len(gates) / chunkRows {
		var m uint64
		for j, g := range gates[t*chunkRows:][:chunkRows] {
			// The bits of positive numbers are 1 to those of +Inf; the subtraction wraps around for all others.
			c := math.Float32bits(g) - 1
			m |= (uint64(c) - 0x7f800000) >> 63 << j
		}
		masks[t] = m
	}
}
