package kernel

import (
	"math/bits"

	"st/quant"
)

// scaleDotsGeneric makes products with up rows the factors of down rows: dots[t, j] becomes gates[t, j] · dots[t, j] · weights[t].
func scaleDotsGeneric(dots, gates, weights []float32) {
	for t, w := range weights {
		for j := range chunkRows {
			dots[t*chunkRows+j] *= gates[t*chunkRows+j]
			dots[t*chunkRows+j] *= w
		}
	}
}

// decodeScalesGeneric stores the scales of those rows that used names, as many as a row has for each.
func decodeScalesGeneric(dst []float32, w *Matrix, used uint64) {
	blocks := w.Cols / quant.BlockSize
	for ; used != 0; used &= used - 1 {
		r := bits.TrailingZeros64(used)
		_, scales := w.row(r)
		for b := range blocks {
			dst[r*blocks+b] = quant.HalfToFloat(le.Uint16(scales[2*b:]))
		}
	}
}

// decodeTileWideGeneric fills row r of tile with wideCols columns of row r of w from col on, for those rows that used names, whose scales were decoded.
func decodeTileWideGeneric(tile []float32, w *Matrix, col int, used uint64, scales []float32) {
	blocks := w.Cols / quant.BlockSize
	for ; used != 0; used &= used - 1 {
		r := bits.TrailingZeros64(used)
		quants, _ := w.row(r)
		for i := range wideCols / quant.BlockSize {
			block := col/quant.BlockSize + i
			d := scales[r*blocks+block]
			to := tile[r*wideCols+i*quant.BlockSize:][:quant.BlockSize]
			for p := range to {
				weight := laneWeight(w.Type, quants, block, p/16*16+place(p%16, 16)) - laneOffset(w.Type)
				to[p] = float32(weight) * d
			}
		}
	}
}

// addTileWideGeneric adds to each token's row of y [tokens, wideCols] the rows of the tile that its mask names, times its factors for them, in order.
func addTileWideGeneric(y []float32, masks []uint64, factors, tile []float32) {
	for t, mask := range masks {
		for ; mask != 0; mask &= mask - 1 {
			r := bits.TrailingZeros64(mask)
			axpyGeneric(y[t*wideCols:][:wideCols], factors[t*chunkRows+r], tile[r*wideCols:][:wideCols])
		}
	}
}

// outputWideGeneric stores outputs, tile by tile, in rows of y [tokens, hidden], in the order of columns.
func outputWideGeneric(y, from []float32, tokens, hidden int) {
	for t := range tokens {
		for col := range hidden {
			y[t*hidden+col] = from[(col/wideCols*tokens+t)*wideCols+col%wideCols/16*16+place(col%16, 16)]
		}
	}
}
