//go:build !amd64 || noasm

package kernel

func peaks(dst, x []float32) { peaksGeneric(dst, x) }

func maxOf(x []float32, m float32) float32 { return maxGeneric(x, m) }

func scale(dst []float32, f float32, src []float32) { scaleGeneric(dst, f, src) }
