//go:build (!amd64 && !arm64) || noasm

package kernel

import "st/quant"

// Without assembly every kernel is its generic twin.

func groupQ4(acc *[quant.GroupRows]float32, group []byte, x *vector) { groupQ4Generic(acc, group, x) }

// groupQ4x4Each is groupQ4x4, whose bits are those of groupQ4.
func groupQ4x4Each(acc *[4][quant.GroupRows]float32, group []byte, x *[4]vector) {
	groupQ4x4(acc, group, x)
}

func groupQ4x4(acc *[4][quant.GroupRows]float32, group []byte, x *[4]vector) {
	groupQ4x4Generic(acc, group, x)
}

func groupQ8(acc *[quant.GroupRows]float32, group []byte, x *vector) { groupQ8Generic(acc, group, x) }

// pairsGroups reports whether group2 is faster than two kernels.
func pairsGroups() bool { return false }

// pairsVectors reports whether groupQ4Pair is faster than two kernels.
func pairsVectors() bool { return false }

func groupQ4Pair(acc *[2][quant.GroupRows]float32, group []byte, x *[2]vector) {
	groupQ4Generic(&acc[0], group, &x[0])
	groupQ4Generic(&acc[1], group, &x[1])
}

// hasEights reports whether groupEight is faster than other kernels.
func hasEights() bool { return false }

func groupEight(t quant.Type, acc *[8][quant.GroupRows]float32, group []byte, x []uint64) {
	groupEightGeneric(t, acc, group, x)
}

// group2 multiplies two groups of a block type with one vector.
func group2(t quant.Type, acc *[2][quant.GroupRows]float32, a, b []byte, x *vector) {
	groupOne(t, &acc[0], a, x)
	groupOne(t, &acc[1], b, x)
}

func dotQ4(quants, scales []byte, x *vector) float32 { return dotQ4Generic(quants, scales, x) }

func dotQ8(quants, scales []byte, x *vector) float32 { return dotQ8Generic(quants, scales, x) }

func axpyQ4(y []float32, f float32, quants, scales []byte) { axpyQ4Generic(y, f, quants, scales) }

func axpyQ8(y []float32, f float32, quants, scales []byte) { axpyQ8Generic(y, f, quants, scales) }

func quantize(q []int8, d []float32, sum []int32, src []float32) { quantizeGeneric(q, d, sum, src) }

func dot(a, b []float32) float32 { return dotGeneric(a, b) }

func axpy(dst []float32, f float32, src []float32) { axpyGeneric(dst, f, src) }

func axpy4(dst []float32, f *[4]float32, src *[4][]float32) { axpy4Generic(dst, f, src) }

func decodeF32(dst []float32, src []byte) { quant.F32.Decode(dst, src, nil) }

func floats([]byte, int) []float32 { return nil }

func decodeF16(dst []float32, src []byte) { quant.F16.Decode(dst, src, nil) }

func prefetch([]byte) {}

func read(b []byte) uint64 { return readGeneric(b) }

func dotQ4x4(dots *[4]float32, quants, scales []byte, x *[4]vector) {
	dotQ4x4Generic(dots, quants, scales, x)
}

func neuronsQ4(y []float32, neurons []int32, h []float32, up, down *Matrix, x *vector, _ Next) {
	neuronsQ4Generic(y, neurons, h, up, down, x)
}

func decodeRowsQ4(dst []float32, quants, scales []byte, stride int, rows []int32) {
	decodeRowsQ4Generic(dst, quants, scales, stride, rows)
}

func addTile(y []float32, cols, tokens int, _ bool, s *batch) { addTileGeneric(y, cols, tokens, s) }

func scores2(dst, q, k []float32) { scores2Generic(dst, q, k) }

func addWeighted2(out, p, v []float32) { addWeighted2Generic(out, p, v) }

func expSum(x []float32, m float32) float32 { return expSumGeneric(x, m) }

func siluMul(dst, gate, up []float32) { siluMulGeneric(dst, gate, up) }

func sumSquares(x []float32) float64 { return sumSquaresGeneric(x) }

func scaleMul(dst, x, weight []float32, scale float32) { scaleMulGeneric(dst, x, weight, scale) }

func encodeF16(dst []byte, src []float32) { quant.F16.Encode(dst, nil, src) }

// Pause tells the CPU that a loop waits for another thread.
func Pause() {}

func geluMul(dst, gate, up []float32) { geluMulGeneric(dst, gate, up) }
