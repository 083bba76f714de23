package kernel

import (
	"math/bits"

	"st/quant"
)

// The active neurons of a batch, in registers of 512 bits. What differs from registers of 256 bits is the layout, and that a call takes all of a
// chunk's neurons or tokens, as masks: which are active nobody can predict, so every branch on it costs more than some products.
//
// A register has one number, or four bytes, of each of sixteen blocks, so that no sum crosses it. Its place p has block p/4 + p%4·4 of them: this is
// what transposing four by four leaves.
const (
	wideBlocks = 16
	// laneStep is what sixteen blocks of a vector take: for k = 0…7 their numbers 4k to 4k+3, their scales, and −8·Σq as longs, which sums start from:
	// the weights are 8 more than they stand for. What lacks of the last sixteen is zero.
	laneStep = wideBlocks * (quant.BlockSize + 4 + 4)
	// dotsTokens is the most tokens that dotsWideAVX512 multiplies with a row, a multiple of four: the lanes of as many, of 1536 numbers each, stay in the
	// L1 cache until the next row comes.
	dotsTokens = 16
	// dotsScratch is its working memory: the scales of three times sixteen blocks, and from dotsSums on a register of sums for each token.
	dotsSums    = 3 * 4 * wideBlocks
	dotsScratch = dotsSums + dotsTokens*4*wideBlocks
	// wideCols is the number of a down row's columns that are decoded at a time. In a tile and in the outputs, place p of sixteen columns has column
	// p/4 + p%4·4, too.
	wideCols = 128
)

// place returns the block, or the column, at place p of a register.
func place(p int) int { return p/4 + p%4*4 }

// wide is the working memory of Batch with such kernels.
type wide struct {
	bytes  []byte    // of dotsWide, then lanes: [tokens, steps, laneStep]
	dots   []float32 // [tokens, chunkRows] products with up rows, then factors of down rows
	scales []float32 // [chunkRows, blocks] of down rows
	rows   [chunkRows]uint64
}

// wideSteps returns how many times sixteen blocks a vector of n blocks has.
func wideSteps(n int) int { return (n + wideBlocks - 1) / wideBlocks }

// wide reports whether the expert's neurons are computed by these kernels in a batch.
func (e *Expert) wide() bool {
	const some = 8 * quant.BlockSize
	return hasWide() && e.Up.Type == quant.Q4_0 && e.Down.Type == quant.Q4_0 && e.Up.Cols%some == 0 && e.Down.Cols%some == 0 && e.Up.Cols*e.Down.Cols > 0
}

// beginWide lays out vectors idx of x, and clears the outputs.
func (s *batch) beginWide(x *Input, idx []int32, hidden int) {
	w := &s.wide
	clear(grow(&s.y, hidden*len(idx)))
	grow(&w.dots, MaxBlock*chunkRows)
	grow(&w.scales, chunkRows*hidden/quant.BlockSize)
	steps := wideSteps(x.Cols / quant.BlockSize)
	// A large piece of memory begins with a cache line, as every step of a lane does then.
	grow(&w.bytes, dotsScratch+steps*MaxBlock*laneStep)
	for i, t := range idx {
		v := x.vector(int(t))
		packLane(w.bytes[dotsScratch+i*steps*laneStep:][:steps*laneStep], &v)
	}
}

// addWide adds the neurons of a chunk, whose gates are known, to the outputs. up and down are their rows. Meanwhile it prefetches what lies at ahead.
func (s *batch) addWide(up, down *Matrix, weights []float32, ahead []byte) {
	w, tokens := &s.wide, len(weights)
	masks := s.masks[:tokens]
	w.rows = s.masks
	transpose(&w.rows)
	var used uint64
	for t, m := range masks {
		used |= m
		s.active[t] += int32(bits.OnesCount64(m))
	}
	if used == 0 {
		return
	}
	steps := wideSteps(up.Cols / quant.BlockSize)
	dotsWide(w.dots, up, &w.rows, w.bytes[dotsScratch:][:tokens*steps*laneStep], w.bytes[:dotsScratch])
	scaleDots(w.dots, s.gates[:tokens*chunkRows], weights)
	decodeScales(w.scales, down, used)
	const line = 64
	tiles := down.Cols / wideCols
	lines := (len(ahead)/line + tiles*tokens - 1) / (tiles * tokens) // for each token and tile
	for tile := range tiles {
		decodeTileWide(s.tile[:], down, tile*wideCols, used, w.scales)
		n := tokens * lines * line
		part := ahead[:min(n, len(ahead))]
		ahead = ahead[len(part):]
		addTileWide(s.y[tile*tokens*wideCols:][:tokens*wideCols], masks, w.dots, s.tile[:], part)
	}
}
