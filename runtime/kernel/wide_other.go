//go:build !amd64 || noasm

package kernel

// There are no registers of 512 bits.

func hasWide() bool { return false }

func scaleDots(dots, gates, weights []float32) { scaleDotsGeneric(dots, gates, weights) }

func decodeScales(dst []float32, w *Matrix, used uint64) { decodeScalesGeneric(dst, w, used) }

func decodeTileWide(tile []float32, w *Matrix, col int, used uint64, scales []float32) {
	decodeTileWideGeneric(tile, w, col, used, scales)
}

func addTileWide(y []float32, masks []uint64, factors, tile []float32, _ []byte) {
	addTileWideGeneric(y, masks, factors, tile)
}

func outputWide(y, from []float32, tokens, hidden int) { outputWideGeneric(y, from, tokens, hidden) }
