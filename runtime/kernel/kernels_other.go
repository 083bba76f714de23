//go:build (!amd64 && !arm64) || noasm

package kernel

import "st/quant"

// Without assembly every kernel is its generic twin.

func groupQ4(acc *[quant.GroupRows]float32, group []byte, x *vector) { groupQ4Generic(acc, group, x) }

func groupQ4x4(acc *[4][quant.GroupRows]float32, group []byte, x *[4]vector) {
	groupQ4x4Generic(acc, group, x)
}

func groupQ8(acc *[quant.GroupRows]float32, group []byte, x *vector) { groupQ8Generic(acc, group, x) }

func dotQ4(quants, scales []byte, x *vector) float32 { return dotQ4Generic(quants, scales, x) }

func dotQ8(quants, scales []byte, x *vector) float32 { return dotQ8Generic(quants, scales, x) }

func axpyQ4(y []float32, f float32, quants, scales []byte) { axpyQ4Generic(y, f, quants, scales) }

func axpyQ8(y []float32, f float32, quants, scales []byte) { axpyQ8Generic(y, f, quants, scales) }

func quantize(q []int8, d []float32, sum []int32, src []float32) { quantizeGeneric(q, d, sum, src) }

func dot(a, b []float32) float32 { return dotGeneric(a, b) }

func axpy(dst []float32, f float32, src []float32) { axpyGeneric(dst, f, src) }

func axpy4(dst []float32, f *[4]float32, src *[4][]float32) { axpy4Generic(dst, f, src) }

func decodeF32(dst []float32, src []byte) { quant.F32.Decode(dst, src, nil) }

func decodeF16(dst []float32, src []byte) { quant.F16.Decode(dst, src, nil) }

func prefetch([]byte) {}

func read(b []byte) uint64 { return readGeneric(b) }
