package layouts

// The layout neuron has per neuron one run: up nibbles, down nibbles, up
// scales, down scales, filled to a multiple of 64 bytes.

func neuronSize(cols int) int { return (2*rowSize(cols) + 63) &^ 63 }

func packNeurons(up, down []byte, cols int) []byte {
	size, stride := rowSize(cols), neuronSize(cols)
	out := make([]byte, 0, len(up)/size*stride)
	for at := 0; at < len(up); at += size {
		upQ, upD := splitRow(up[at : at+size])
		downQ, downD := splitRow(down[at : at+size])
		out = append(append(append(append(out, upQ...), downQ...), upD...), downD...)
		out = append(out, make([]byte, stride-2*size)...)
	}
	return out
}

func runNeurons(k *kernels, y []float32, e *expert, x *activations, active []int, gate []float32, lookahead int) {
	stride, quants := neuronSize(e.cols), e.cols/2
	scales := e.cols / blockCols * scaleSize
	var dot [1]float32
	for i, j := range active {
		run, next := e.w[j*stride:], ahead(active, i, lookahead)*stride
		k.rowsDot(dot[:], run, run[2*quants:], stride, x, next)
		k.rowsAxpy(y, run[quants:], run[2*quants+scales:], gate[i]*dot[0], next)
	}
}
