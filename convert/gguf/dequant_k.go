package gguf

// The K types have super-blocks of 256 weights, cut into blocks of 16 or 32 that have small integer scales (and minima) of their own:
//
//	Q2_K   16 of scales (low) and minima (high), 64 of 2-bit quants, d, m            w = (d·s)·q − m·t
//	Q3_K   32 of third bits, 64 of 2-bit quants, 12 of 6-bit scales, d               w = (d·(s − 32))·(q − 4)
//	Q4_K   d, m, 12 of 6-bit scales and minima, 128 of nibbles                       w = (d·s)·q − m·t
//	Q5_K   d, m, 12 of 6-bit scales and minima, 32 of fifth bits, 128 of nibbles     w = (d·s)·q − m·t
//	Q6_K   128 of low nibbles, 64 of upper two bits, 16 int8 scales, d               w = (d·s)·(q − 32)

const superBlock = 256

func decodeQ2_K(dst []float32, src []byte) {
	for ; len(dst) >= superBlock; dst, src = dst[superBlock:], src[84:] {
		scales, quants, d, m := src[:16], src[16:80], half(src[80:]), half(src[82:])
		for block, s := range scales {
			// Block 8h+2i+k: half h of the weights, bits 2i and 2i+1 of the quants, their bytes 16k to 16k+15.
			h, shift, k := block/8, block%8/2*2, block%2
			ds, mt := float32(d*float32(s&15)), float32(m*float32(s>>4))
			q, x := quants[32*h+16*k:][:16], dst[16*block:][:16]
			for l, v := range q {
				x[l] = float32(ds*float32(v>>shift&3)) - mt
			}
		}
	}
}

func decodeQ3_K(dst []float32, src []byte) {
	for ; len(dst) >= superBlock; dst, src = dst[superBlock:], src[110:] {
		third, quants, packed, d := src[:32], src[32:96], src[96:108], half(src[108:])
		for block := range 16 {
			// The low four bits of the scales are the nibbles of the first eight bytes, the upper two lie in the last four.
			s := int(packed[block%8]>>(block/8*4)&15) | int(packed[8+block%4]>>(block/4*2)&3)<<4
			h, i, k := block/8, block%8/2, block%2
			ds := d * float32(s-32)
			q, high, x := quants[32*h+16*k:][:16], third[16*k:][:16], dst[16*block:][:16]
			for l, v := range q {
				x[l] = ds * float32(int(v>>(2*i)&3)+int(high[l]>>(4*h+i)&1)<<2-4)
			}
		}
	}
}

// scaleMin returns the 6-bit scale and minimum of block j of eight in Q4_K and Q5_K.
func scaleMin(packed []byte, j int) (s, m float32) {
	if j < 4 {
		return float32(packed[j] & 63), float32(packed[j+4] & 63)
	}
	return float32(packed[j+4]&15 | packed[j-4]>>6<<4), float32(packed[j+4]>>4 | packed[j]>>6<<4)
}

func decodeQ4_K(dst []float32, src []byte) {
	for ; len(dst) >= superBlock; dst, src = dst[superBlock:], src[144:] {
		d, m, packed, quants := half(src), half(src[2:]), src[4:16], src[16:144]
		for pair := range 4 {
			s, t := scaleMin(packed, 2*pair)
			d1, m1 := float32(d*s), float32(m*t)
			s, t = scaleMin(packed, 2*pair+1)
			d2, m2 := float32(d*s), float32(m*t)
			q, x := quants[32*pair:][:32], dst[64*pair:][:64]
			for l, v := range q {
				x[l] = float32(d1*float32(v&15)) - m1
				x[l+32] = float32(d2*float32(v>>4)) - m2
			}
		}
	}
}

func decodeQ5_K(dst []float32, src []byte) {
	for ; len(dst) >= superBlock; dst, src = dst[superBlock:], src[176:] {
		d, m, packed, fifth, quants := half(src), half(src[2:]), src[4:16], src[16:48], src[48:176]
		for pair := range 4 {
			s, t := scaleMin(packed, 2*pair)
			d1, m1 := float32(d*s), float32(m*t)
			s, t = scaleMin(packed, 2*pair+1)
			d2, m2 := float32(d*s), float32(m*t)
			q, x := quants[32*pair:][:32], dst[64*pair:][:64]
			for l, v := range q {
				f := fifth[l] >> (2 * pair)
				x[l] = float32(d1*float32(v&15|f&1<<4)) - m1
				x[l+32] = float32(d2*float32(v>>4|f>>1&1<<4)) - m2
			}
		}
	}
}

func decodeQ6_K(dst []float32, src []byte) {
	for ; len(dst) >= superBlock; dst, src = dst[superBlock:], src[210:] {
		low, upper, scales, d := src[:128], src[128:192], src[192:208], half(src[208:])
		for h := range 2 {
			low, upper, x := low[64*h:][:64], upper[32*h:][:32], dst[128*h:][:128]
			for i := range 4 {
				// Quarter i: the nibbles of bytes 32(i mod 2) to 32(i mod 2)+31, low for i < 2 and high else, and bits 2i, 2i+1 of upper.
				low, x := low[32*(i%2):][:32], x[32*i:][:32]
				ds := [2]float32{d * float32(int8(scales[8*h+2*i])), d * float32(int8(scales[8*h+2*i+1]))}
				for l, u := range upper {
					x[l] = ds[l/16] * float32(int(low[l]>>(i/2*4)&15|u>>(2*i)&3<<4)-32)
				}
			}
		}
	}
}
