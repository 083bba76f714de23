package kernel

import "st/quant"

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

// addTileGeneric adds to cols columns of each token's row of y, which are stride apart, its h times its rows of the tile, in
// order.
func addTileGeneric(y []float32, stride, cols, tokens int, s *batch) {
	for t := range tokens {
		at := t * chunkRows
		for i, r := range s.rows[at:][:s.count[t]] {
			axpyGeneric(y[t*stride:][:cols], s.h[at+i], s.tile[int(r)*cols:][:cols])
		}
	}
}
