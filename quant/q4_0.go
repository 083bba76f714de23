package quant

import "math"

// encodeQ4 is ggml's quantize_row_q4_0_ref: d = m/−8, where m is the weight of largest magnitude, sign kept, so that m
// itself becomes q = 0 exactly; the others q = ⌊w/d + 8.5⌋, at most 15. NaN counts as zero and an infinity as the largest
// finite weight: they get here only when the caller asked to go on.
func encodeQ4(quants, scales []byte, src []float32) {
	var clean [BlockSize]float32
	for b := encodeQ4Fast(quants, scales, src); b*BlockSize < len(src); b++ {
		x, _, m := sanitized((*[BlockSize]float32)(src[b*BlockSize:]), &clean, Q4_0.Max())
		d := m / -8
		le.PutUint16(scales[2*b:], FloatToHalf(d))
		id := inverse(d)
		q := (*[16]byte)(quants[b*16:])
		for j := range q {
			// The products are rounded before the addition on every CPU: no fused multiply-add.
			lo := min(15, int32(float32(x[j]*id)+8.5))
			hi := min(15, int32(float32(x[j+16]*id)+8.5))
			q[j] = byte(lo) | byte(hi)<<4
		}
		b += encodeQ4Fast(quants[16*b+16:], scales[2*b+2:], src[BlockSize*(b+1):])
	}
}

// largestOfBlock returns the first weight of largest magnitude, and the bits of that magnitude: as integers, magnitudes are
// ordered as the floats are, with infinity and NaN above all.
func largestOfBlock(x *[BlockSize]float32) (top uint32, m float32) {
	for _, v := range x {
		if u := math.Float32bits(v) &^ (1 << 31); u > top {
			top, m = u, v
		}
	}
	return top, m
}

// sanitized returns a block whose weights are all finite and at most limit, with its first weight of largest magnitude, m, and the bits of that magnitude:
// the block itself, or its sanitized copy in clean.
func sanitized(x, clean *[BlockSize]float32, limit float32) (block *[BlockSize]float32, top uint32, m float32) {
	if top, m = largest(x); top <= math.Float32bits(limit) {
		return x, top, m
	}
	*clean = *x
	sanitize(clean, limit)
	top, m = largest(clean)
	return clean, top, m
}

// sanitize makes NaN zero, and brings magnitudes down to limit.
func sanitize(x *[BlockSize]float32, limit float32) {
	for i, v := range x {
		if v != v {
			v = 0
		}
		x[i] = min(limit, max(-limit, v))
	}
}

// inverse is 1/d, or 0 where that is no finite number: such a scale is zero as a float16 anyway.
func inverse(d float32) float32 {
	if id := 1 / d; math.Float32bits(id)&^(1<<31) <= math.Float32bits(math.MaxFloat32) {
		return id
	}
	return 0
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
