//go:build !amd64 || noasm

package kernel

// These sums are floats where there are no kernels for words.

func hasWords() bool { return false }

func relativeScales(scales, tops []float32, w *Matrix) { relativeScalesGeneric(scales, tops, w) }

func factorWords(w *words, first, stride int, gates, dots []float32, weight float32, mask uint64) (unit float32) {
	return factorWordsGeneric(w, first, stride, gates, dots, weight, mask)
}

func decodeWords(tile []int16, w *Matrix, col int, used uint64) {
	decodeWordsGeneric(tile, w, col, used)
}

func addWords(y []float32, rows []int16, w *words, shares []share, tile, stride int, _ []byte) {
	addWordsGeneric(y, rows, w, shares, tile, stride)
}
