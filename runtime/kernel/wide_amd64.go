//go:build !noasm

package kernel

import (
	"math/bits"

	"st/quant"
)

// hasWide reports whether there are kernels in registers of 512 bits.
func hasWide() bool { return useAVX512 }

// scaleDots makes products with up rows the factors of down rows: dots[t, j] becomes gates[t, j] · dots[t, j] · weights[t].
func scaleDots(dots, gates, weights []float32) {
	if !useAVX512 {
		scaleDotsGeneric(dots, gates, weights)
		return
	}
	if n := len(weights); n > 0 {
		scaleDotsAVX512(&dots[:n*chunkRows][0], &gates[:n*chunkRows][0], weights)
	}
}

// scaleDotsAVX512 is scaleDotsGeneric, to the bit.
//
//go:noescape
func scaleDotsAVX512(dots, gates *float32, weights []float32)

// decodeScales stores the scales of those rows of w that used names, as many as a row has for each.
func decodeScales(dst []float32, w *Matrix, used uint64) {
	if !useAVX512 {
		decodeScalesGeneric(dst, w, used)
		return
	}
	if used == 0 {
		return
	}
	checkUsed(w, used)
	blocks := w.Cols / quant.BlockSize
	decodeScalesAVX512(&dst[:bits.Len64(used)*blocks][0], &w.Data[w.ScaleOffset], w.Stride, used, blocks)
}

// checkUsed panics unless w has the rows that used names.
func checkUsed(w *Matrix, used uint64) {
	w.checkRows()
	if bits.Len64(used) > w.Rows {
		panic("kernel: there is no such row")
	}
}

// decodeScalesAVX512 is decodeScalesGeneric, for a multiple of eight blocks.
//
//go:noescape
func decodeScalesAVX512(dst *float32, scales *byte, stride int, used uint64, blocks int)

// decodeTileWide fills row r of tile with wideCols columns of row r of w from col on, for those rows that used names, whose scales were decoded.
func decodeTileWide(tile []float32, w *Matrix, col int, used uint64, scales []float32) {
	if !useAVX512 {
		decodeTileWideGeneric(tile, w, col, used, scales)
		return
	}
	if used == 0 {
		return
	}
	checkUsed(w, used)
	n, blocks := bits.Len64(used), w.Cols/quant.BlockSize
	if col < 0 || col%wideCols != 0 || col >= w.Cols {
		panic("kernel: there is no such column")
	}
	scales = scales[:n*blocks]
	tile, quants, first := tile[:n*wideCols], &w.Data[w.Type.QuantBytes(col)], &scales[col/quant.BlockSize]
	if w.Type == quant.Q8_0 {
		decodeTileWideQ8AVX512(&tile[0], quants, w.Stride, used, first, blocks)
		return
	}
	decodeTileWideAVX512(&tile[0], quants, w.Stride, used, first, blocks)
}

// decodeTileWideAVX512 is decodeTileWideGeneric, to the bit. scales are those of the first row's columns; the next row's are scaleStride further.
//
//go:noescape
func decodeTileWideAVX512(tile *float32, quants *byte, stride int, used uint64, scales *float32, scaleStride int)

// decodeTileWideQ8AVX512 is decodeTileWideAVX512 for Q8_0 rows.
//
//go:noescape
func decodeTileWideQ8AVX512(tile *float32, quants *byte, stride int, used uint64, scales *float32, scaleStride int)

// addTileWide adds to each token's row of y [tokens, wideCols] the rows of the tile that its mask names, times its factors for them, in order. Meanwhile it
// prefetches ahead, as many lines for every token.
func addTileWide(y []float32, masks []uint64, factors, tile []float32, ahead []byte) {
	if !useAVX512 {
		addTileWideGeneric(y, masks, factors, tile)
		return
	}
	n := len(masks)
	if n == 0 {
		return
	}
	y, factors, tile = y[:n*wideCols], factors[:n*chunkRows], tile[:chunkRows*wideCols]
	lines := len(ahead) / (64 * n)
	var p *byte
	if lines > 0 {
		p = &ahead[0]
	}
	addTileWideAVX512(&y[0], masks, &factors[0], &tile[0], p, lines)
}

// addTileWideAVX512 is addTileWideGeneric with one rounding for a product and its sum.
//
//go:noescape
func addTileWideAVX512(y *float32, masks []uint64, factors, tile *float32, ahead *byte, lines int)

// outputWide stores outputs, tile by tile, in rows of y [tokens, hidden], in the order of columns.
func outputWide(y, from []float32, tokens, hidden int) {
	if !useAVX512 || hidden%wideCols != 0 {
		outputWideGeneric(y, from, tokens, hidden)
		return
	}
	if tokens*hidden > 0 {
		outputWideAVX512(&y[:tokens*hidden][0], &from[:tokens*hidden][0], tokens, hidden/wideCols)
	}
}

// outputWideAVX512 is outputWideGeneric, to the bit, for so many tiles.
//
//go:noescape
func outputWideAVX512(y, from *float32, tokens, tiles int)
