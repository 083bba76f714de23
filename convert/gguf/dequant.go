package gguf

import (
	"encoding/binary"

	"st/quant"
)

// The decoders follow the dequantize_row_* functions of ggml in every operation and its order, in float32, so that results are equal to the
// bit. A product that meets an addition, in the same statement or a later one, is written float32(x*y): without the conversion, Go may fuse both into one
// operation of a single rounding (it does on arm64). src holds as many whole blocks as dst has weights for.
//
// Layouts, in bytes; d and m are float16:
//
//	Q4_0   d, 16 of nibbles                        w = (q − 8)·d        nibble j low: weight j, high: weight j+16, here and below
//	Q4_1   d, m, 16 of nibbles                     w = q·d + m
//	Q5_0   d, 4 of fifth bits, 16 of nibbles       w = (q − 16)·d
//	Q5_1   d, m, 4 of fifth bits, 16 of nibbles    w = q·d + m
//	Q8_0   d, 32 int8                              w = q·d

var le = binary.LittleEndian

func half(b []byte) float32 { return quant.HalfToFloat(le.Uint16(b)) }

func decodeF32(dst []float32, src []byte)  { quant.F32.Decode(dst, src, nil) }
func decodeF16(dst []float32, src []byte)  { quant.F16.Decode(dst, src, nil) }
func decodeBF16(dst []float32, src []byte) { quant.BF16.Decode(dst, src, nil) }

func decodeQ4_0(dst []float32, src []byte) {
	for ; len(dst) >= 32; dst, src = dst[32:], src[18:] {
		d, q, x := half(src), src[2:18], dst[:32]
		for j, v := range q {
			x[j] = float32(int(v&15)-8) * d
			x[j+16] = float32(int(v>>4)-8) * d
		}
	}
}

func decodeQ4_1(dst []float32, src []byte) {
	for ; len(dst) >= 32; dst, src = dst[32:], src[20:] {
		d, m, q, x := half(src), half(src[2:]), src[4:20], dst[:32]
		for j, v := range q {
			x[j] = float32(float32(v&15)*d) + m
			x[j+16] = float32(float32(v>>4)*d) + m
		}
	}
}

func decodeQ5_0(dst []float32, src []byte) {
	for ; len(dst) >= 32; dst, src = dst[32:], src[22:] {
		d, fifth, q, x := half(src), le.Uint32(src[2:]), src[6:22], dst[:32]
		for j, v := range q {
			x[j] = float32(int(v&15)|int(fifth>>j&1)<<4-16) * d
			x[j+16] = float32(int(v>>4)|int(fifth>>(j+16)&1)<<4-16) * d
		}
	}
}

func decodeQ5_1(dst []float32, src []byte) {
	for ; len(dst) >= 32; dst, src = dst[32:], src[24:] {
		d, m, fifth, q, x := half(src), half(src[2:]), le.Uint32(src[4:]), src[8:24], dst[:32]
		for j, v := range q {
			x[j] = float32(float32(uint32(v&15)|fifth>>j&1<<4)*d) + m
			x[j+16] = float32(float32(uint32(v>>4)|fifth>>(j+16)&1<<4)*d) + m
		}
	}
}

func decodeQ8_0(dst []float32, src []byte) {
	for ; len(dst) >= 32; dst, src = dst[32:], src[34:] {
		d, q, x := half(src), src[2:34], dst[:32]
		for j, v := range q {
			x[j] = float32(int8(v)) * d
		}
	}
}

// SplitBlocks takes the blocks of src, which is of type Q4_0 or Q8_0, apart into quants and scales as package quant keeps them. The numbers
// stay as they are.
func SplitBlocks(t Type, quants, scales, src []byte) {
	size := int(types[t].bytes)
	for ; len(src) >= size; src = src[size:] {
		copy(scales, src[:2])
		copy(quants, src[2:size])
		scales, quants = scales[2:], quants[size-2:]
	}
}

// JoinBlocks is the inverse of [SplitBlocks]: it fills dst with blocks.
func JoinBlocks(t Type, dst, quants, scales []byte) {
	size := int(types[t].bytes)
	for ; len(dst) >= size; dst = dst[size:] {
		copy(dst[:2], scales)
		copy(dst[2:size], quants)
		scales, quants = scales[2:], quants[size-2:]
	}
}
