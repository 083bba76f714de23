package kernel

import (
	"math/bits"

	"st/quant"
)

// The down rows of a batch's active neurons are added in whole numbers: one instruction multiplies two rows with their factors and adds the products,
// where floats take two of half as many columns each. A tile has some columns of a chunk's rows as words of 16 bits, without their scales. The factors,
// gate times up product times scale, are rounded to words, too, as those of a single token are: a scale relative to the largest
// of its column's block in the chunk, and gate times up product to the largest of the token's. The first depends on weights alone, and the second on one
// token, so that a token's bits do not depend on the others.

// wordCols is the number of a down row's columns that are decoded at a time.
const wordCols = 128

const (
	wordBlocks  = wordCols / quant.BlockSize
	wordsOfRow  = 2 * wordCols   // bytes of a row of the tile
	wordsOfPair = 4 * wordBlocks // bytes of the factors of two rows, in a tile: those of a block follow each other
	wordsRoom   = 512            // pairs that room is made for at a time
	wordMost    = 1<<15 - 1      // the largest factor
	wordLeast   = 1e-30          // what factors are relative to, at least: nothing is divided by 0
)

// words is the working memory of these sums.
type words struct {
	scales  []float32           // [chunkRows, blocks] of down rows, relative to tops
	tops    []float32           // [blocks]
	shares  [MaxBlock + 1]share // of the tokens that have pairs, and where the last ones end
	rows    []int32             // [pairs, 2] where the rows are in the tile, in bytes
	factors []byte              // [tiles, pairs, wordBlocks] of two words each
	units   [MaxBlock]float32   // what a token's factors are multiplied with, besides tops
}

// share is what a token has of a batch's pairs of rows: those from first on, to where the next one's begin.
type share struct{ first, token int32 }

// words reports whether the expert's down rows are added so in a batch.
func (e *Expert) words() bool {
	return hasWords() && e.lanes() && (e.Down.Type == quant.Q4_0 || e.Down.Type == quant.Q8_0) && e.Down.Cols%(8*quant.BlockSize) == 0 && e.Down.Cols > 0
}

// addWords adds the neurons of a chunk, whose gates are known, to the outputs. up and down are their rows. Meanwhile it prefetches what lies at ahead.
func (s *batch) addWords(up, down *Matrix, weights []float32, ahead []byte) {
	w, tokens := &s.words, len(weights)
	var used uint64
	for t, m := range s.masks[:tokens] {
		used |= m
		s.active[t] += int32(bits.OnesCount64(m))
	}
	if used == 0 {
		return
	}
	shares := w.share(s.masks[:tokens])
	s.lanes.multiply(up, &s.byRow, tokens)
	blocks := down.Cols / quant.BlockSize
	w.tops = grow(&w.tops, blocks)
	relativeScales(grow(&w.scales, chunkRows*blocks), w.tops, down)
	pairs := int(shares[len(shares)-1].first)
	room := (pairs + wordsRoom - 1) / wordsRoom * wordsRoom
	grow(&w.rows, 2*room)
	stride := pairs * wordsOfPair
	grow(&w.factors, room*wordsOfPair*blocks/wordBlocks)
	for i, of := range shares[:len(shares)-1] {
		t := int(of.token)
		w.units[i] = factorWords(w, int(of.first), stride, s.gates[t*chunkRows:][:chunkRows], s.lanes.dots[t*chunkRows:][:chunkRows], weights[t], s.masks[t])
	}
	const line = 64
	tiles := down.Cols / wordCols
	lines := (len(ahead)/line + tiles*tokens - 1) / (tiles * tokens) // for each token and tile
	for tile := range tiles {
		decodeWords(s.wordTile[:], down, tile*wordCols, used)
		n := tokens * lines * line
		part := ahead[:min(n, len(ahead))]
		ahead = ahead[len(part):]
		addWords(s.y[tile*tokens*wordCols:][:tokens*wordCols], s.wordTile[:], w, shares, tile, stride, part)
	}
}

// share shares out the pairs of the active neurons that masks have of each token. Tokens that have as many follow each other: how often a loop over
// pairs goes round is known then, most of the time.
func (w *words) share(masks []uint64) []share {
	var ends [chunkRows/2 + 2]int32 // of the tokens that have so many pairs
	for _, m := range masks {
		ends[(bits.OnesCount64(m)+1)/2+1]++
	}
	none := ends[1]
	ends[1] = 0
	for n := 1; n < len(ends); n++ {
		ends[n] += ends[n-1]
	}
	for t, m := range masks {
		if n := (bits.OnesCount64(m) + 1) / 2; n > 0 {
			w.shares[ends[n]] = share{first: int32(n), token: int32(t)}
			ends[n]++
		}
	}
	shares := w.shares[:len(masks)-int(none)+1]
	first := int32(0)
	for i := range shares {
		first, shares[i].first = first+shares[i].first, first
	}
	shares[len(shares)-1].token = 0
	return shares
}
