package layouts

// The layout rows has per row all nibbles in the file format's block order,
// then all scales.

func rowSize(cols int) int { return cols / blockCols * ggufBlock }

// packRows brings rows of gguf blocks into the layout rows.
func packRows(gguf []byte, cols int) []byte {
	var out []byte
	for size := rowSize(cols); len(gguf) > 0; gguf = gguf[size:] {
		q, d := splitRow(gguf[:size])
		out = append(append(out, q...), d...)
	}
	return out
}

// splitRow parts a row of gguf blocks into nibbles and scales.
func splitRow(row []byte) (q, d []byte) {
	for ; len(row) > 0; row = row[ggufBlock:] {
		d = append(d, row[:scaleSize]...)
		q = append(q, row[scaleSize:ggufBlock]...)
	}
	return q, d
}

// rowsDot computes y = W x, one row per element of y. Row r has its nibbles at
// q[r*stride] and its scales at d[r*stride].
func rowsDot(y []float32, q, d []byte, stride int, x *activations, _ int) {
	for r := range y {
		y[r] = rowDot(q[r*stride:], d[r*stride:], x, 0)
	}
}

// rowDot is the product of a row with vector v of x.
func rowDot(q, d []byte, x *activations, v int) float32 {
	var sum float32
	for b := range x.blocks {
		at := b*x.n + v
		sum += half(d[b*scaleSize:]) * x.scale[at] * float32(x.blockDot(q[b*quantSize:], at))
	}
	return sum
}

// rowsAxpy adds a × one row to y, which is in the order of axpyPlace.
func rowsAxpy(y []float32, q, d []byte, a float32, _ int) {
	for b := range len(y) / blockCols {
		axpyBlock(y, b, q[b*quantSize:], a*half(d[b*scaleSize:]))
	}
}

// rowsMul computes y = W x for a batch of vectors; y is [vector][row].
func rowsMul(y []float32, q, d []byte, stride int, x *activations) {
	rows := len(y) / batch
	for r := range rows {
		for v := range batch {
			y[v*rows+r] = rowDot(q[r*stride:], d[r*stride:], x, v)
		}
	}
}
