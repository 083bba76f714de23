package checkpoint

import (
	"encoding/binary"
	"math"

	"st/quant"
)

// decodeFunc decodes little-endian elements; src holds exactly those that fill dst.
type decodeFunc func(dst []float32, src []byte)

// decoders hold how to decode the types that are supported.
var decoders = map[DType]decodeFunc{
	F32:    func(dst []float32, src []byte) { quant.F32.Decode(dst, src, nil) },
	F16:    func(dst []float32, src []byte) { quant.F16.Decode(dst, src, nil) },
	BF16:   func(dst []float32, src []byte) { quant.BF16.Decode(dst, src, nil) },
	F8E4M3: lookup(&e4m3),
	F8E5M2: lookup(&e5m2),
	F8E8M0: lookup(&e8m0),
	F64: func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:])))
		}
	},
}

// decoder returns how to decode a type, nil if weights of that type are not supported.
func decoder(d DType) decodeFunc { return decoders[d] }

func lookup(values *[256]float32) decodeFunc {
	return func(dst []float32, src []byte) {
		for i, b := range src {
			dst[i] = values[b]
		}
	}
}

// The numbers of eight bits: E4M3 and E5M2 of arXiv 2209.05433, where E4M3 has neither infinities nor more NaN than one of each sign,
// and E8M0 of the OCP Microscaling Formats specification 1.0.
var (
	e4m3 = smallFloats(4, 3, 7, func(b byte) (float32, bool) { return float32(math.NaN()), b&0x7f == 0x7f })
	e5m2 = smallFloats(5, 2, 15, func(b byte) (float32, bool) {
		switch {
		case b&0x7f == 0x7c:
			return float32(math.Inf(1 - 2*int(b>>7))), true
		case b&0x7f > 0x7c:
			return float32(math.NaN()), true
		}
		return 0, false
	})
	e8m0 = powersOfTwo()
)

// smallFloats returns the values of all bytes that are a sign, an exponent and a mantissa, but for those that special knows.
func smallFloats(exponentBits, mantissaBits, bias int, special func(b byte) (float32, bool)) (all [256]float32) {
	for i := range all {
		b := byte(i)
		if v, ok := special(b); ok {
			all[i] = v
			continue
		}
		exponent := int(b) >> mantissaBits & (1<<exponentBits - 1)
		mantissa := float64(int(b) & (1<<mantissaBits - 1))
		if exponent == 0 {
			exponent = 1 // subnormal
		} else {
			mantissa += float64(int(1) << mantissaBits)
		}
		v := math.Ldexp(mantissa, exponent-bias-mantissaBits)
		all[i] = float32(math.Copysign(v, float64(1-2*int(b>>7))))
	}
	return all
}

func powersOfTwo() (all [256]float32) {
	for i := range all {
		all[i] = float32(math.Ldexp(1, i-127))
	}
	all[255] = float32(math.NaN())
	return all
}
