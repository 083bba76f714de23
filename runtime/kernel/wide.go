package kernel

import (
	"math/bits"

	"st/quant"
)

// The active neurons of a batch, in registers of 512 bits. What differs from registers of 256 bits is the layout of tiles, and that a call takes all of a
// chunk's tokens, as masks: which neurons are active nobody can predict, so every branch on it costs more than some products.

// wideCols is the number of a down row's columns that are decoded at a time. In a tile and in the outputs, place p of sixteen columns has the column that
// place names, as that of sixteen blocks has the block.
const wideCols = 128

// wide reports whether the expert's neurons are computed by these kernels in a batch.
func (e *Expert) wide() bool {
	return hasWide() && e.lanes() && (e.Down.Type == quant.Q4_0 || e.Down.Type == quant.Q8_0) && e.Down.Cols%(8*quant.BlockSize) == 0 && e.Down.Cols > 0
}

// beginWide clears the outputs of so many tokens.
func (s *batch) beginWide(tokens, hidden int) {
	clear(grow(&s.y, hidden*tokens))
	grow(&s.scales, chunkRows*hidden/quant.BlockSize)
}

// addWide adds the neurons of a chunk, whose gates are known, to the outputs. up and down are their rows. Meanwhile it prefetches what lies at ahead.
func (s *batch) addWide(up, down *Matrix, weights []float32, ahead []byte) {
	tokens := len(weights)
	masks := s.masks[:tokens]
	var used uint64
	for t, m := range masks {
		used |= m
		s.active[t] += int32(bits.OnesCount64(m))
	}
	if used == 0 {
		return
	}
	s.lanes.multiply(up, &s.byRow, tokens)
	scaleDots(s.lanes.dots, s.gates[:tokens*chunkRows], weights)
	decodeScales(s.scales, down, used)
	const line = 64
	tiles := down.Cols / wideCols
	lines := (len(ahead)/line + tiles*tokens - 1) / (tiles * tokens) // for each token and tile
	for tile := range tiles {
		decodeTileWide(s.tile[:], down, tile*wideCols, used, s.scales)
		n := tokens * lines * line
		part := ahead[:min(n, len(ahead))]
		ahead = ahead[len(part):]
		addTileWide(s.y[tile*tokens*wideCols:][:tokens*wideCols], masks, s.lanes.dots, s.tile[:], part)
	}
}
