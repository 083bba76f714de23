package gguf

// The IQ4 types index a table of values that lie closer together near zero, where most weights are:
//
//	IQ4_NL   d, 16 of nibbles                                               w = d·table[q]
//	IQ4_XS   d, 2 of upper scale bits, 4 of lower ones, 128 of nibbles      w = (d·(s − 32))·table[q]

// iq4Values is the table that both formats define (kvalues_iq4nl in ggml).
var iq4Values = [16]float32{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

func decodeIQ4_NL(dst []float32, src []byte) {
	for ; len(dst) >= 32; dst, src = dst[32:], src[18:] {
		decodeIQ4(dst[:32], src[2:18], half(src))
	}
}

func decodeIQ4_XS(dst []float32, src []byte) {
	for ; len(dst) >= superBlock; dst, src = dst[superBlock:], src[136:] {
		d, upper, lower, quants := half(src), le.Uint16(src[2:]), src[4:8], src[8:136]
		for block := range 8 {
			s := int(lower[block/2]>>(block%2*4)&15) | int(upper>>(2*block)&3)<<4
			decodeIQ4(dst[32*block:][:32], quants[16*block:][:16], d*float32(s-32))
		}
	}
}

func decodeIQ4(x []float32, q []byte, d float32) {
	for j, v := range q {
		x[j] = d * iq4Values[v&15]
		x[j+16] = d * iq4Values[v>>4]
	}
}
