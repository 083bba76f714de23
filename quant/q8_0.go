package quant

import "math"

// encodeQ8 is ggml's quantize_row_q8_0_ref: d = max|w|/127, q = w/d rounded half away from zero. NaN counts as zero and an
// infinity as the largest finite weight, as in encodeQ4.
func encodeQ8(quants, scales []byte, src []float32) {
	var clean [BlockSize]float32
	for b := 0; b*BlockSize < len(src); b++ {
		x, top, _ := sanitized((*[BlockSize]float32)(src[b*BlockSize:]), &clean, Q8_0.Max())
		d := math.Float32frombits(top) / 127
		le.PutUint16(scales[2*b:], FloatToHalf(d))
		id := inverse(d)
		q := (*[BlockSize]byte)(quants[b*BlockSize:])
		for j, v := range x {
			q[j] = byte(roundAway(v * id))
		}
	}
}

// roundAway rounds half away from zero. |v| is small enough for an int32.
func roundAway(v float32) int32 {
	half := math.Float32frombits(math.Float32bits(0.5) | math.Float32bits(v)&(1<<31))
	return int32(v + half)
}

// RoundToInt8 rounds half away from zero, and into −127…127; NaN becomes 0.
func RoundToInt8(v float32) int8 {
	if v != v {
		return 0
	}
	return int8(roundAway(min(127, max(-127, v))))
}

func decodeQ8(dst []float32, quants, scales []byte) {
	for b := 0; b*BlockSize < len(dst); b++ {
		d := halves[le.Uint16(scales[2*b:])]
		q := quants[b*BlockSize : (b+1)*BlockSize : (b+1)*BlockSize]
		x := dst[b*BlockSize : (b+1)*BlockSize : (b+1)*BlockSize]
		for j, v := range q {
			x[j] = d * float32(int8(v))
		}
	}
}
