//go:build !noasm

package kernel

import (
	"math/bits"

	"st/quant"
)

// hasWords reports whether there are kernels for down rows as words.
func hasWords() bool { return useAVX2 }

// relativeScales is relativeScalesGeneric, to the bit.
func relativeScales(scales, tops []float32, w *Matrix) {
	if !useAVX2 {
		relativeScalesGeneric(scales, tops, w)
		return
	}
	w.checkRows()
	blocks := w.Cols / quant.BlockSize
	relativeScalesAVX2(&scales[:w.Rows*blocks][0], &tops[:blocks][0], &w.Data[w.ScaleOffset], w.Stride, w.Rows, blocks)
}

// relativeScalesAVX2 is relativeScalesGeneric, for a multiple of eight blocks.
//
//go:noescape
func relativeScalesAVX2(scales, tops *float32, from *byte, stride, rows, blocks int)

// factorWords is factorWordsGeneric, to the bit.
func factorWords(w *words, first, stride int, gates, dots []float32, weight float32, mask uint64) (unit float32) {
	if !useAVX2 {
		return factorWordsGeneric(w, first, stride, gates, dots, weight, mask)
	}
	blocks, pairs := len(w.tops), (bits.OnesCount64(mask)+1)/2
	if mask == 0 || blocks%8 != 0 || blocks == 0 || stride < (first+pairs)*wordsOfPair {
		panic("kernel: there are no such factors")
	}
	rows := w.rows[2*first : 2*(first+pairs)]
	factors := w.factors[first*wordsOfPair : (blocks/wordBlocks-1)*stride+(first+pairs)*wordsOfPair]
	gate, dot, scale := &gates[:chunkRows][0], &dots[:chunkRows][0], &w.scales[:chunkRows*blocks][0]
	if useAVX512 {
		return factorWordsAVX512(&rows[0], &factors[0], stride, gate, dot, weight, mask, scale, blocks)
	}
	return factorWordsAVX2(&rows[0], &factors[0], stride, gate, dot, weight, mask, scale, blocks)
}

// factorWordsAVX2 is factorWordsGeneric, whose rows and factors begin where the token's are stored, for a multiple of eight blocks.
//
//go:noescape
func factorWordsAVX2(rows *int32, factors *byte, stride int, gates, dots *float32, weight float32, mask uint64, scales *float32, blocks int) (unit float32)

// factorWordsAVX512 is factorWordsAVX2, to the bit.
//
//go:noescape
func factorWordsAVX512(rows *int32, factors *byte, stride int, gates, dots *float32, weight float32, mask uint64, scales *float32, blocks int) (unit float32)

// decodeWords is decodeWordsGeneric.
func decodeWords(tile []int16, w *Matrix, col int, used uint64) {
	if !useAVX2 {
		decodeWordsGeneric(tile, w, col, used)
		return
	}
	if used == 0 {
		return
	}
	w.checkRows()
	if bits.Len64(used) > w.Rows {
		panic("kernel: there is no such row")
	}
	if col < 0 || col%wordCols != 0 || col >= w.Cols {
		panic("kernel: there is no such column")
	}
	tile = tile[:bits.Len64(used)*wordCols]
	quants := &w.Data[w.Type.QuantBytes(col)]
	switch {
	case w.Type == quant.Q8_0:
		decodeWordsQ8AVX2(&tile[0], quants, w.Stride, used)
	case useAVX512:
		decodeWordsQ4AVX512(&tile[0], quants, w.Stride, used)
	default:
		decodeWordsQ4AVX2(&tile[0], quants, w.Stride, used)
	}
}

// decodeWordsQ4AVX2 is decodeWordsGeneric for Q4_0 rows, whose columns begin at quants.
//
//go:noescape
func decodeWordsQ4AVX2(tile *int16, quants *byte, stride int, used uint64)

// decodeWordsQ4AVX512 is decodeWordsQ4AVX2.
//
//go:noescape
func decodeWordsQ4AVX512(tile *int16, quants *byte, stride int, used uint64)

// decodeWordsQ8AVX2 is decodeWordsQ4AVX2 for Q8_0 rows.
//
//go:noescape
func decodeWordsQ8AVX2(tile *int16, quants *byte, stride int, used uint64)

// addWords is addWordsGeneric, to the bit. Meanwhile it may prefetch ahead, as many lines for every token: with AVX-512. The other kernels are slow enough for
// the hardware's prefetchers, and would wait for their own.
func addWords(y []float32, rows []int16, w *words, shares []share, tile, stride int, ahead []byte) {
	if !useAVX2 {
		addWordsGeneric(y, rows, w, shares, tile, stride)
		return
	}
	tokens := len(shares) - 1
	if tokens == 0 {
		return
	}
	pairs := int(shares[tokens].first)
	for _, of := range shares {
		_ = y[of.token*wordCols:][:wordCols]
	}
	factors, tops := w.factors[tile*stride:][:pairs*wordsOfPair], w.tops[tile*wordBlocks:][:wordBlocks]
	at, units, weights := w.rows[:2*pairs], w.units[:tokens], rows[:chunkRows*wordCols]
	lines := len(ahead) / (64 * tokens)
	var p *byte
	if lines > 0 {
		p = &ahead[0]
	}
	switch {
	case useAVX512:
		addWordsAVX512(&y[0], &weights[0], &at[0], &factors[0], shares, &units[0], &tops[0], p, lines)
	case useVNNI:
		addWordsVNNI(&y[0], &weights[0], &at[0], &factors[0], shares, &units[0], &tops[0])
	default:
		addWordsAVX2(&y[0], &weights[0], &at[0], &factors[0], shares, &units[0], &tops[0])
	}
}

// addWordsAVX2 is addWordsGeneric for the tile whose factors and tops are given.
//
//go:noescape
func addWordsAVX2(y *float32, tile *int16, rows *int32, factors *byte, shares []share, units, tops *float32)

// addWordsVNNI is addWordsAVX2, to the bit.
//
//go:noescape
func addWordsVNNI(y *float32, tile *int16, rows *int32, factors *byte, shares []share, units, tops *float32)

// addWordsAVX512 is addWordsAVX2, to the bit. It prefetches so many lines from ahead on for every token.
//
//go:noescape
func addWordsAVX512(y *float32, tile *int16, rows *int32, factors *byte, shares []share, units, tops *float32, ahead *byte, lines int)
