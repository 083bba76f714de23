package layouts

// The layouts tiles16 interleave 16 rows. A tile holds one block of each:
// four lines of 64 bytes, line g byte 4r+k being byte 4g+k of the nibbles of
// row r. A group of 16 rows is either all tiles and then all scales
// (block × 16), or, inline, tiles that each follow their 16 scales.

const (
	tileRows   = 16
	tileQuants = tileRows * quantSize
	tileScales = tileRows * scaleSize
)

// packTiles brings rows of gguf blocks, 16 at a time, into tiles16.
func packTiles(gguf []byte, cols int) []byte {
	var out []byte
	for size := tileRows * rowSize(cols); len(gguf) > 0; gguf = gguf[size:] {
		for b := range cols / blockCols {
			out = appendTile(out, gguf, b, cols)
		}
		for b := range cols / blockCols {
			out = appendScales(out, gguf, b, cols)
		}
	}
	return out
}

// packInline brings rows of gguf blocks, 16 at a time, into tiles16 inline.
func packInline(gguf []byte, cols int) []byte {
	var out []byte
	for size := tileRows * rowSize(cols); len(gguf) > 0; gguf = gguf[size:] {
		for b := range cols / blockCols {
			out = appendScales(out, gguf, b, cols)
			out = appendTile(out, gguf, b, cols)
		}
	}
	return out
}

// appendTile appends block b of the first 16 rows.
func appendTile(out, gguf []byte, b, cols int) []byte {
	for g := range 4 {
		for r := range tileRows {
			from := r*rowSize(cols) + b*ggufBlock + scaleSize + 4*g
			out = append(out, gguf[from:from+4]...)
		}
	}
	return out
}

// appendScales appends the scales of block b of the first 16 rows.
func appendScales(out, gguf []byte, b, cols int) []byte {
	for r := range tileRows {
		from := r*rowSize(cols) + b*ggufBlock
		out = append(out, gguf[from:from+scaleSize]...)
	}
	return out
}

// tilesDot computes y = W x for one group of 16 rows. Block b has its tile at
// q[b*qStep] and its scales at d[b*dStep].
func tilesDot(y []float32, q, d []byte, qStep, dStep int, x *activations, _, _ int) {
	clear(y[:tileRows])
	for b := range x.blocks {
		tileAdd(y, q[b*qStep:], d[b*dStep:], x, b)
	}
}

// tilesMul adds W x to y for one group of 16 rows and a batch of vectors;
// vector v has its sums at y[v*yStride].
func tilesMul(y []float32, yStride int, q, d []byte, qStep, dStep int, x *activations) {
	for b := range x.blocks {
		for v := range batch {
			tileAdd(y[v*yStride:], q[b*qStep:], d[b*dStep:], x, b*batch+v)
		}
	}
}

// tileAdd adds the product of one tile with block at of x.
func tileAdd(y []float32, q, d []byte, x *activations, at int) {
	var quants [quantSize]byte
	for r := range tileRows {
		for g := range 4 {
			copy(quants[4*g:4*g+4], q[64*g+4*r:])
		}
		y[r] += half(d[r*scaleSize:]) * x.scale[at] * float32(x.blockDot(quants[:], at))
	}
}
