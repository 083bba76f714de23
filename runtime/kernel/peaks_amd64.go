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

func maxOf(x []float32, m float32) float32 {
	whole := len(x) &^ 7
	if useAVX2 && whole > 0 {
		m = maxAVX2(x[:whole], m)
		x = x[whole:]
	}
	return maxGeneric(x, m)
}

func scale(dst []float32, f float32, src []float32) {
	whole := len(src) &^ 7
	if useAVX2 && whole > 0 {
		scaleAVX2(dst[:whole], f, src[:whole])
		dst, src = dst[whole:], src[whole:]
	}
	scaleGeneric(dst, f, src)
}

// maxAVX2 is maxGeneric for a multiple of eight numbers.
//
//go:noescape
func maxAVX2(x []float32, m float32) float32

// scaleAVX2 is scaleGeneric for a multiple of eight numbers.
//
//go:noescape
func scaleAVX2(dst []float32, f float32, src []float32)
