//go:build !amd64 || noasm

package kernel

func peaks(dst, x []float32) { peaksGeneric(dst, x) }
