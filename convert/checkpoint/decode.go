package checkpoint

import "st/quant"

// decodeFunc decodes little-endian elements; src holds exactly those that fill dst.
type decodeFunc func(dst []float32, src []byte)

// decoder returns how to decode a type, nil if weights of that type are not supported.
func decoder(d DType) decodeFunc {
	t, ok := map[DType]quant.Type{F32: quant.F32, F16: quant.F16, BF16: quant.BF16}[d]
	if !ok {
		return nil
	}
	return func(dst []float32, src []byte) { t.Decode(dst, src, nil) }
}
