package layouts

// dense is a candidate for the layout of a matrix that is read whole.
type dense struct {
	name string
	pack func(gguf []byte, cols int) []byte
	// dot computes y = W x; ahead is passed on to the kernel.
	dot func(k *kernels, y []float32, w []byte, x *activations, ahead int)
	// mul computes y = W x for a batch of vectors; y is [vector][row] and
	// zero. It is nil where prefill was not measured.
	mul func(k *kernels, y []float32, w []byte, x *activations)
}

var denseLayouts = []dense{
	{
		name: "D1-gguf",
		pack: func(gguf []byte, _ int) []byte { return gguf },
		dot: func(k *kernels, y []float32, w []byte, x *activations, ahead int) {
			k.ggufDot(y, w, x, ahead)
		},
	},
	{
		name: "D2-rows",
		pack: packRows,
		dot: func(k *kernels, y []float32, w []byte, x *activations, ahead int) {
			k.rowsDot(y, w, w[x.blocks*quantSize:], x.blocks*ggufBlock, x, ahead)
		},
		mul: func(k *kernels, y []float32, w []byte, x *activations) {
			k.rowsMul(y, w, w[x.blocks*quantSize:], x.blocks*ggufBlock, x)
		},
	},
	{
		name: "D3-tiles16",
		pack: packTiles,
		dot: func(k *kernels, y []float32, w []byte, x *activations, ahead int) {
			size := tileRows * x.blocks * ggufBlock
			// The scales lie behind all tiles but are read along with
			// them, so those of the next group are prefetched.
			scalesAhead := min(ahead, 1) * size
			for ; len(y) > 0; y, w = y[tileRows:], w[size:] {
				k.tilesDot(y[:tileRows], w, w[x.blocks*tileQuants:], tileQuants, tileScales, x, ahead, scalesAhead)
			}
		},
		mul: func(k *kernels, y []float32, w []byte, x *activations) {
			size := tileRows * x.blocks * ggufBlock
			rows := len(y) / batch
			for r := 0; r < rows; r, w = r+tileRows, w[size:] {
				k.tilesMul(y[r:], rows, w, w[x.blocks*tileQuants:], tileQuants, tileScales, x)
			}
		},
	},
	{
		name: "D4-tiles16-inline",
		pack: packInline,
		dot: func(k *kernels, y []float32, w []byte, x *activations, ahead int) {
			const step = tileScales + tileQuants
			for ; len(y) > 0; y, w = y[tileRows:], w[x.blocks*step:] {
				k.tilesDot(y[:tileRows], w[tileScales:], w, step, step, x, ahead, ahead)
			}
		},
		mul: func(k *kernels, y []float32, w []byte, x *activations) {
			const step = tileScales + tileQuants
			rows := len(y) / batch
			for r := 0; r < rows; r, w = r+tileRows, w[x.blocks*step:] {
				k.tilesMul(y[r:], rows, w[tileScales:], w, step, step, x)
			}
		},
	},
	{
		name: "D5-tiles16-pairs",
		pack: packPairs,
		dot: func(k *kernels, y []float32, w []byte, x *activations, ahead int) {
			for size := pairsSize(x.blocks); len(y) > 0; y, w = y[tileRows:], w[size:] {
				k.pairsDot(y[:tileRows], w, x, ahead)
			}
		},
		mul: func(k *kernels, y []float32, w []byte, x *activations) {
			rows, size := len(y)/batch, pairsSize(x.blocks)
			for r := 0; r < rows; r, w = r+tileRows, w[size:] {
				k.pairsMul(y[r:], rows, w, x)
			}
		},
	},
}
