//go:build !noasm

package kernel

func dotQ4x4(dots *[4]float32, quants, scales []byte, x *[4]vector) {
	if !useNEON {
		dotQ4x4Generic(dots, quants, scales, x)
		return
	}
	if !useDotProd {
		for i := range x {
			dots[i] = dotQ4(quants, scales, &x[i])
		}
		return
	}
	checkFour(x)
	dotQ4x4DotProd(dots, quants[:len(x[0].q)/2], scales[:len(x[0].q)/16], x)
}

func decodeRowsQ4(dst []float32, quants, scales []byte, stride int, rows []int32) {
	if !useNEON {
		decodeRowsQ4Generic(dst, quants, scales, stride, rows)
		return
	}
	checkRows(quants, scales, stride, rows)
	decodeRowsQ4NEON(dst[:len(rows)*tileCols], quants, scales, stride, rows)
}

func addTile(y []float32, cols, tokens int, fused bool, s *batch) {
	if !useNEON || !fused {
		addTileGeneric(y, cols, tokens, s)
		return
	}
	_ = y[:tokens*tileCols]
	_ = s.start[:tokens]
	addTileNEON(y, tokens, s)
}

// dotQ4x4DotProd is dotQ4x4Generic.
//
//go:noescape
func dotQ4x4DotProd(dots *[4]float32, quants, scales []byte, x *[4]vector)

// decodeRowsQ4NEON is decodeRowsQ4Generic.
//
//go:noescape
func decodeRowsQ4NEON(dst []float32, quants, scales []byte, stride int, rows []int32)

// addTileNEON is addTileGeneric, for tileCols columns.
//
//go:noescape
func addTileNEON(y []float32, tokens int, s *batch)

// checkRows panics if tileCols columns of a row are beyond what decodeRowsQ4 was given.
func checkRows(quants, scales []byte, stride int, rows []int32) {
	if len(rows) == 0 {
		return
	}
	// No row is negative. Four maxima do not wait for each other.
	var last [4]uint32
	for ; len(rows) >= len(last); rows = rows[len(last):] {
		for k := range last {
			last[k] = max(last[k], uint32(rows[k]))
		}
	}
	for _, r := range rows {
		last[0] = max(last[0], uint32(r))
	}
	row := int(max(last[0], last[1], last[2], last[3]))
	_ = quants[row*stride:][:tileCols/2]
	_ = scales[row*stride:][:tileCols/16]
}
