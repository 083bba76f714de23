package layouts

// The layout gguf is the file format's own: row-major blocks of 18 bytes, the
// scale before its nibbles. All others are packed from it.

const ggufBlock = scaleSize + quantSize

// ggufDot computes y = W x, one row per element of y.
func ggufDot(y []float32, w []byte, x *activations, _ int) {
	for r := range y {
		var sum float32
		for b := range x.blocks {
			block := w[(r*x.blocks+b)*ggufBlock:]
			sum += half(block) * x.scale[b] * float32(x.blockDot(block[scaleSize:], b))
		}
		y[r] = sum
	}
}

// ggufAxpy adds a × one row to y, which is in the order of axpyPlace.
func ggufAxpy(y []float32, w []byte, a float32, _ int) {
	for b := range len(y) / blockCols {
		block := w[b*ggufBlock:]
		axpyBlock(y, b, block[scaleSize:], a*half(block))
	}
}

// axpyBlock adds s × block b of a row to y.
func axpyBlock(y []float32, b int, quants []byte, s float32) {
	for i, c := range quants[:quantSize] {
		y[axpyPlace(b, i)] += s * float32(int(c&15)-8)
		y[axpyPlace(b, i+16)] += s * float32(int(c>>4)-8)
	}
}

// axpyPlace is where the sum for value e of block b lies: the axpy kernels
// widen two blocks side by side, even values and odd values apart. Such a
// vector is put in order once after all its additions.
func axpyPlace(b, e int) int { return b/2*64 + e/8*16 + e%2*8 + b%2*4 + e%8/2 }
