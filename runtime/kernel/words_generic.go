package kernel

import (
	"math"
	"math/bits"

	"st/quant"
)

// relativeScalesGeneric stores the scales of w's rows in scales [rows, blocks], relative to tops, which becomes the largest of each block of columns,
// whatever its sign.
func relativeScalesGeneric(scales, tops []float32, w *Matrix) {
	blocks := w.Cols / quant.BlockSize
	for b := range tops[:blocks] {
		top := float32(wordLeast)
		for r := range w.Rows {
			_, row := w.row(r)
			d := quant.HalfToFloat(le.Uint16(row[2*b:]))
			scales[r*blocks+b] = d
			top = larger(top, d)
		}
		tops[b] = top
		for r := range w.Rows {
			scales[r*blocks+b] *= 1 / top
		}
	}
}

// larger returns top, which has no sign, or d without its sign, if that is larger. NaN is larger than all numbers.
func larger(top, d float32) float32 {
	return math.Float32frombits(max(math.Float32bits(top), math.Float32bits(d)&^(1<<31)))
}

// factorWordsGeneric makes the products dots of a token with the up rows of its active neurons, which mask has, the factors of their down rows. The
// neurons go in pairs, the last one with an inactive one if it is left: at w.rows[2·first] it stores where the rows are, and at
// w.factors[first·wordsOfPair], stride bytes apart for the tiles, gate times product times weight times the relative scales, as words. It returns
// what these are to be multiplied with. dots is overwritten.
func factorWordsGeneric(w *words, first, stride int, gates, dots []float32, weight float32, mask uint64) (unit float32) {
	top := float32(wordLeast)
	for j, g := range gates {
		dots[j] = float32(dots[j]*g) * weight
		if !(g > 0) {
			dots[j] = 0
		}
		top = larger(top, dots[j])
	}
	for j := range dots {
		dots[j] *= wordMost / top
	}
	blocks := len(w.tops)
	idle := bits.TrailingZeros64(^mask)
	next := func() (r int) {
		if mask == 0 {
			return idle
		}
		r = bits.TrailingZeros64(mask)
		mask &= mask - 1
		return r
	}
	for i := first; mask != 0; i++ {
		a := next()
		b := next()
		w.rows[2*i], w.rows[2*i+1] = int32(a*wordsOfRow), int32(b*wordsOfRow)
		for k := range blocks {
			at := k/wordBlocks*stride + i*wordsOfPair + k%wordBlocks*4
			le.PutUint16(w.factors[at:], word(dots[a]*w.scales[a*blocks+k]))
			le.PutUint16(w.factors[at+2:], word(dots[b]*w.scales[b*blocks+k]))
		}
	}
	return top / wordMost
}

// word rounds a factor to the nearest number, and of two to the even one. What is no number becomes 0: top is none then, either.
func word(f float32) uint16 {
	if f != f {
		return 0
	}
	return uint16(int16(math.RoundToEven(float64(f))))
}

// decodeWordsGeneric fills row r of tile with wordCols columns of row r of w from col on, for those rows that used names. What 128 bits hold are four
// columns of a block and the four that are sixteen columns further.
func decodeWordsGeneric(tile []int16, w *Matrix, col int, used uint64) {
	for ; used != 0; used &= used - 1 {
		r := bits.TrailingZeros64(used)
		quants, _ := w.row(r)
		for i := range wordCols {
			tile[r*wordCols+wordPlace(i)] = int16(laneWeight(w.Type, quants, (col+i)/quant.BlockSize, i%quant.BlockSize) - laneOffset(w.Type))
		}
	}
}

// wordPlace returns where column i of a row lies in a tile.
func wordPlace(i int) int {
	const half = quant.BlockSize / 2
	return i&^(quant.BlockSize-1) + i%half/4*8 + i%quant.BlockSize/half*4 + i%4
}

// addWordsGeneric adds to each token's row of y [tokens, wordCols] the rows of a tile that its pairs name, times their factors.
func addWordsGeneric(y []float32, rows []int16, w *words, shares []share, tile, stride int) {
	for t, of := range shares[:len(shares)-1] {
		out := y[of.token*wordCols:][:wordCols]
		for i := range out {
			block, sum := i/quant.BlockSize, int32(0)
			for p := int(of.first); p < int(shares[t+1].first); p++ {
				f := w.factors[tile*stride+p*wordsOfPair+4*block:]
				a, b := rows[int(w.rows[2*p])/2+wordPlace(i)], rows[int(w.rows[2*p+1])/2+wordPlace(i)]
				sum += int32(int16(le.Uint16(f)))*int32(a) + int32(int16(le.Uint16(f[2:])))*int32(b)
			}
			unit := w.units[t] * w.tops[tile*wordBlocks+block]
			out[i] += float32(float32(sum) * unit)
		}
	}
}
