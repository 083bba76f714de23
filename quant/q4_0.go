package quant

import "math"

// encodeQ4 is ggml's quantize_row_q4_0_ref: d = m/−8, where m is the weight of largest magnitude, sign kept, so that m
// itself becomes q = 0 exactly; the others q = ⌊w/d + 8.5⌋, at most 15. NaN counts as zero and an infinity as the largest
// finite weight: they get here only when the caller asked to go on.
func encodeQ4(quants, scales []byte, src []float32) {
	for b := 0; b*BlockSize < len(src); b++ {
		x := src[b*BlockSize : (b+1)*BlockSize : (b+1)*BlockSize]
		var amax, m float32
		for _, v := range x {
			if a := abs(v); a > amax {
				amax, m = a, v
			}
		}
		if amax > Q4_0.Max() {
			m = clamp(m, Q4_0.Max())
		}
		d := m / -8
		var id float32
		if d != 0 {
			id = 1 / d
		}
		le.PutUint16(scales[2*b:], FloatToHalf(d))
		q := quants[b*16 : b*16+16 : b*16+16]
		if isInf(id) {
			// The scale is so small a denormal that its inverse overflows; as float16 it is zero anyway.
			id = 0
		}
		for j := range q {
			q[j] = nibble(x[j]*id) | nibble(x[j+16]*id)<<4
		}
	}
}

// nibble rounds v (−8…8) to a Q4_0 quant.
func nibble(v float32) byte {
	if v != v {
		return 8
	}
	return byte(min(15, max(0, int32(clamp(v, 16)+8.5))))
}

func decodeQ4(dst []float32, quants, scales []byte) {
	for b := 0; b*BlockSize < len(dst); b++ {
		d := halves[le.Uint16(scales[2*b:])]
		q := quants[b*16 : b*16+16 : b*16+16]
		x := dst[b*BlockSize : (b+1)*BlockSize : (b+1)*BlockSize]
		for j, v := range q {
			x[j] = d * float32(int32(v&15)-8)
			x[j+16] = d * float32(int32(v>>4)-8)
		}
	}
}

func abs(v float32) float32 { return math.Float32frombits(math.Float32bits(v) &^ (1 << 31)) }

func isInf(v float32) bool { return abs(v) > math.MaxFloat32 }

func clamp(v, limit float32) float32 { return min(limit, max(-limit, v)) }
