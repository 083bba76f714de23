//go:build !noasm

package kernel

func dotQ4x4(dots *[4]float32, quants, scales []byte, x *[4]vector) {
	if !useAVX2 {
		dotQ4x4Generic(dots, quants, scales, x)
		return
	}
	checkFour(x)
	quants, scales = quants[:len(x[0].q)/2], scales[:len(x[0].q)/16]
	if useVNNI {
		dotQ4x4VNNI(dots, quants, scales, x)
		return
	}
	dotQ4x4AVX2(dots, quants, scales, x)
}

func decodeRowsQ4(dst []float32, quants, scales []byte, stride int, rows []int32) {
	if !useAVX2 {
		decodeRowsQ4Generic(dst, quants, scales, stride, rows)
		return
	}
	dst = dst[:len(rows)*tileCols]
	last := min(len(quants)-tileCols/2, len(scales)-tileCols/16)
	if last < 0 || !decodeRowsQ4AVX2(dst, quants, scales, stride, rows, last) {
		panic("kernel: there is no such row")
	}
}

func addTile(y []float32, cols, tokens int, fused bool, s *batch) {
	if !useAVX2 || !fused {
		addTileGeneric(y, cols, tokens, s)
		return
	}
	_ = y[:tokens*tileCols]
	_ = s.start[:tokens]
	addTileAVX2(y, tokens, s)
}

func positive(masks *[MaxBlock]uint64, gates []float32) {
	if !useAVX2 {
		positiveGeneric(masks, gates)
		return
	}
	_ = masks[:len(gates)/chunkRows]
	positiveAVX2(masks, gates)
}

// listActive is ListActive for the first of gates. It returns how many these are.
func listActive(neurons []int32, h, gates []float32, weight float32) (taken, n int) {
	taken = len(gates) &^ 15
	if !useAVX512 || taken == 0 {
		return 0, 0
	}
	return taken, listActiveAVX512(neurons[:taken], h[:taken], gates[:taken], weight)
}

// listActiveAVX512 is ListActive for a multiple of sixteen gates. What lies behind the last active neuron is overwritten.
//
//go:noescape
func listActiveAVX512(neurons []int32, h, gates []float32, weight float32) int

// positiveAVX2 is positiveGeneric.
//
//go:noescape
func positiveAVX2(masks *[MaxBlock]uint64, gates []float32)

// dotQ4x4AVX2 is dotQ4x4Generic.
//
//go:noescape
func dotQ4x4AVX2(dots *[4]float32, quants, scales []byte, x *[4]vector)

// dotQ4x4VNNI is dotQ4x4AVX2, to the bit.
//
//go:noescape
func dotQ4x4VNNI(dots *[4]float32, quants, scales []byte, x *[4]vector)

// decodeRowsQ4AVX2 is decodeRowsQ4Generic, up to a row that begins beyond the byte last: then it reports false.
//
//go:noescape
func decodeRowsQ4AVX2(dst []float32, quants, scales []byte, stride int, rows []int32, last int) bool

// addTileAVX2 is addTileGeneric, for tileCols columns.
//
//go:noescape
func addTileAVX2(y []float32, tokens int, s *batch)
