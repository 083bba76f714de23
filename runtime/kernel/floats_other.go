//go:build !amd64 || noasm

package kernel

// floatBlock returns that there is no kernel for several rows of floats.
func floatBlock(int) (rows, vectors int) { return 0, 0 }

func dotRows(*[8]float32, *dotSums, *[4][]float32, []float32, []float32, bool) {
	panic("kernel: there is no kernel for several rows of floats")
}
