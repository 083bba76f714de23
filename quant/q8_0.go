package quant

import "math"

// encodeQ8 is ggml's quantize_row_q8_0_ref: d = max|w|/127, q = w/d rounded half away from zero. NaN counts as zero and an
// infinity as the largest finite weight, as in encodeQ4.
func encodeQ8(quants, scales []byte, src []float32) {
	for b := 0; b*BlockSize < len(src); b++ {
		x := src[b*BlockSize : (b+1)*BlockSize : (b+1)*BlockSize]
		var amax float32
		for _, v := range x {
			if a := abs(v); a > amax {
				amax = a
			}
		}
		amax = min(amax, Q8_0.Max())
		d := amax / 127
		var id float32
		if d != 0 {
			id = 1 / d
		}
		if isInf(id) {
			id = 0 // as in encodeQ4: the scale is zero in float16
		}
		le.PutUint16(scales[2*b:], FloatToHalf(d))
		q := quants[b*BlockSize : (b+1)*BlockSize : (b+1)*BlockSize]
		for j, v := range x {
			q[j] = byte(RoundToInt8(v * id))
		}
	}
}

// RoundToInt8 rounds half away from zero, and into −127…127; NaN becomes 0.
func RoundToInt8(v float32) int8 {
	if v != v {
		return 0
	}
	return int8(clamp(v, 127) + float32(math.Copysign(0.5, float64(v))))
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
