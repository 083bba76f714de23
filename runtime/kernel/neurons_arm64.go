//go:build !noasm

package kernel

func neuronsQ4(y []float32, neurons []int32, h []float32, up, down *Matrix, x *vector) {
	if !useNEON {
		neuronsQ4Generic(y, neurons, h, up, down, x)
		return
	}
	for i, j := range neurons {
		if i+1 < len(neurons) {
			up.prefetch(int(neurons[i+1]))
			down.prefetch(int(neurons[i+1]))
		}
		q, s := up.row(int(j))
		f := h[i] * dotQ4(q, s, x)
		q, s = down.row(int(j))
		axpyQ4(y, f, q, s)
	}
}
