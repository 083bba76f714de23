//go:build !noasm

package kernel

func peaks(dst, x []float32) {
	if !useAVX2 {
		peaksGeneric(dst, x)
		return
	}
	peaksAVX2(dst, x[:len(dst)*PeakRun])
}

// peaksAVX2 is peaksGeneric.
//
//go:noescape
func peaksAVX2(dst, x []float32)
