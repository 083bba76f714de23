//go:build !noasm

package kernel

func dotQ4x4(dots *[4]float32, quants, scales []byte, x *[4]vector) {
	if !useAVX2 {
		dotQ4x4Generic(dots, quants, scales, x)
		return
	}
	for i := range x {
		x[i].check()
		_ = x[i].d[:len(x[0].d)]
	}
	dotQ4x4AVX2(dots, quants[:len(x[0].q)/2], scales[:len(x[0].q)/16], x)
}

func decodeRowsQ4(dst []float32, quants, scales []byte, stride int, rows []int32) {
	if !useAVX2 {
		decodeRowsQ4Generic(dst, quants, scales, stride, rows)
		return
	}
	decodeRowsQ4AVX2(dst[:len(rows)*tileCols], quants, scales, stride, rows)
}

func addTile(y []float32, stride, cols, tokens int, s *batch) {
	if !useAVX2 || cols != tileCols {
		addTileGeneric(y, stride, cols, tokens, s)
		return
	}
	_ = y[(tokens-1)*stride:][:tileCols]
	addTileAVX2(y, stride, tokens, s)
}

// dotQ4x4AVX2 is dotQ4x4Generic.
//
//go:noescape
func dotQ4x4AVX2(dots *[4]float32, quants, scales []byte, x *[4]vector)

// decodeRowsQ4AVX2 is decodeRowsQ4Generic.
//
//go:noescape
func decodeRowsQ4AVX2(dst []float32, quants, scales []byte, stride int, rows []int32)

// addTileAVX2 is addTileGeneric, for tileCols columns.
//
//go:noescape
func addTileAVX2(y []float32, stride, tokens int, s *batch)
