package kernel

import "st/quant"

// dotRow multiplies one Q4_0 or Q8_0 row with an int8 vector.
func dotRow(t quant.Type, quants, scales []byte, x *vector) float32 {
	if t == quant.Q4_0 {
		return dotQ4(quants, scales, x)
	}
	return dotQ8(quants, scales, x)
}

// Decode fills dst with the numbers of a row.
func Decode(t quant.Type, dst []float32, quants, scales []byte) {
	switch t {
	case quant.F32:
		decodeF32(dst, quants)
	case quant.F16:
		decodeF16(dst, quants)
	case quant.Q4_0:
		clear(dst)
		axpyQ4(dst, 1, quants, scales)
	case quant.Q8_0:
		clear(dst)
		axpyQ8(dst, 1, quants, scales)
	default:
		t.Decode(dst, quants, scales)
	}
}

// dotFloats is dot of a row that has no scales, one of a matrix whose rows follow each other, or one alone.
func dotFloats(t quant.Type, row []byte, x []float32, matrix bool, scratch *Scratch) float32 {
	if hasHalf(t) {
		return dotHalf(t, row, x, matrix)
	}
	return dot(decoded(t, row, len(x), scratch), x)
}

// decoded returns the n numbers of a row that has no scales: as they lie in memory, where the CPU can take them so, or decoded into scratch.
func decoded(t quant.Type, quants []byte, n int, scratch *Scratch) []float32 {
	if t == quant.F32 {
		if row := floats(quants, n); row != nil {
			return row
		}
	}
	row := scratch.row(n)
	Decode(t, row, quants, nil)
	return row
}

// Prefetch asks for bytes that are needed soon.
func Prefetch(b []byte) { prefetch(b) }
