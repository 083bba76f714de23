package layouts

// expert is the sparse part of one expert: row j of up and row j of the
// transposed down belong to neuron j.
type expert struct {
	neurons, cols int
	w             []byte
}

// sparse is a candidate for the layout of an expert.
type sparse struct {
	name string
	// pack takes up and the transposed down as gguf blocks.
	pack func(up, down []byte, cols int) []byte
	// run adds to y, in the order of axpyPlace, gate[i] × (up row j · x) ×
	// down row j for every neuron j = active[i]. It prefetches the active
	// neuron lookahead places on.
	run func(k *kernels, y []float32, e *expert, x *activations, active []int, gate []float32, lookahead int)
}

var sparseLayouts = []sparse{
	{"S1-gguf", packSeparateGGUF, runSeparateGGUF},
	{"S2-rows", packSeparateRows, runSeparateRows},
	{"S3-neuron", packNeurons, runNeurons},
}

func packSeparateGGUF(up, down []byte, _ int) []byte {
	return append(append([]byte(nil), up...), down...)
}

func packSeparateRows(up, down []byte, cols int) []byte {
	return append(packRows(up, cols), packRows(down, cols)...)
}

// ahead is the distance in neurons from active[i] to the one to prefetch.
func ahead(active []int, i, lookahead int) int {
	return active[min(i+lookahead, len(active)-1)] - active[i]
}

func runSeparateGGUF(k *kernels, y []float32, e *expert, x *activations, active []int, gate []float32, lookahead int) {
	size := rowSize(e.cols)
	up, down := e.w, e.w[e.neurons*size:]
	var dot [1]float32
	for i, j := range active {
		next := ahead(active, i, lookahead) * size
		k.ggufDot(dot[:], up[j*size:], x, next)
		k.ggufAxpy(y, down[j*size:], gate[i]*dot[0], next)
	}
}

func runSeparateRows(k *kernels, y []float32, e *expert, x *activations, active []int, gate []float32, lookahead int) {
	size, quants := rowSize(e.cols), e.cols/2
	up, down := e.w, e.w[e.neurons*size:]
	var dot [1]float32
	for i, j := range active {
		next := ahead(active, i, lookahead) * size
		k.rowsDot(dot[:], up[j*size:], up[j*size+quants:], size, x, next)
		k.rowsAxpy(y, down[j*size:], down[j*size+quants:], gate[i]*dot[0], next)
	}
}
