package layouts

// The layout tiles16 pairs is tiles16 with two blocks at a time: the scales of
// both, 16 and 16, then their tiles, 9 lines of 64 bytes. A last block without
// a partner comes alone. A group of 16 rows is filled to a multiple of 64
// bytes.

const pairSize = 2 * (tileScales + tileQuants)

func pairsSize(blocks int) int { return (blocks*(tileScales+tileQuants) + 63) &^ 63 }

// packPairs brings rows of gguf blocks, 16 at a time, into tiles16 pairs.
func packPairs(gguf []byte, cols int) []byte {
	var out []byte
	blocks := cols / blockCols
	for size := tileRows * rowSize(cols); len(gguf) > 0; gguf = gguf[size:] {
		for b := 0; b < blocks; b += 2 {
			end := min(b+2, blocks)
			for i := b; i < end; i++ {
				out = appendScales(out, gguf, i, cols)
			}
			for i := b; i < end; i++ {
				out = appendTile(out, gguf, i, cols)
			}
		}
		out = append(out, make([]byte, pairsSize(blocks)-blocks*(tileScales+tileQuants))...)
	}
	return out
}

// pairBlock returns where in a group the tile and the scales of block b are.
func pairBlock(b, blocks int) (q, d int) {
	pair, second := b/2*pairSize, b%2
	width := min(blocks-b+second, 2) // blocks in the pair
	return pair + width*tileScales + second*tileQuants, pair + second*tileScales
}

// pairsDot computes y = W x for one group of 16 rows.
func pairsDot(y []float32, w []byte, x *activations, _ int) {
	clear(y[:tileRows])
	for b := range x.blocks {
		q, d := pairBlock(b, x.blocks)
		tileAdd(y, w[q:], w[d:], x, b)
	}
}

// pairsMul adds W x to y for one group of 16 rows and a batch of vectors;
// vector v has its sums at y[v*yStride].
func pairsMul(y []float32, yStride int, w []byte, x *activations) {
	for b := range x.blocks {
		q, d := pairBlock(b, x.blocks)
		for v := range batch {
			tileAdd(y[v*yStride:], w[q:], w[d:], x, b*batch+v)
		}
	}
}
