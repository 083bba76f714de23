package checkpoint

import (
	"encoding/binary"
	"math"
	"sync"

	"github.com/x448/float16"
)

// decodeFunc decodes little-endian elements; src holds exactly those that fill dst.
type decodeFunc func(dst []float32, src []byte)

// decoder returns how to decode a type, nil if weights of that type are not supported.
func decoder(d DType) decodeFunc {
	switch d {
	case F32:
		return decodeF32
	case F16:
		return decodeF16
	case BF16:
		return decodeBF16
	default:
		return nil
	}
}

// The loops below take eight bytes at a time: one load and one bounds check for several elements make them about twice as fast.

func decodeF32(dst []float32, src []byte) {
	for len(dst) >= 2 && len(src) >= 8 {
		w := binary.LittleEndian.Uint64(src)
		dst[0] = math.Float32frombits(uint32(w))
		dst[1] = math.Float32frombits(uint32(w >> 32))
		dst, src = dst[2:], src[8:]
	}
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}

// decodeBF16: a bfloat16 is the upper half of a float32.
func decodeBF16(dst []float32, src []byte) {
	for len(dst) >= 4 && len(src) >= 8 {
		w := binary.LittleEndian.Uint64(src)
		dst[0] = math.Float32frombits(uint32(w) << 16)
		dst[1] = math.Float32frombits(uint32(w) & 0xffff0000)
		dst[2] = math.Float32frombits(uint32(w>>32) << 16)
		dst[3] = math.Float32frombits(uint32(w>>32) & 0xffff0000)
		dst, src = dst[4:], src[8:]
	}
	for i := range dst {
		dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
	}
}

// f16Table holds the float32 of every float16. Weights crowd into a small part of its 256 KiB, which stays in the first-level
// cache.
var f16Table = sync.OnceValue(func() *[1 << 16]float32 {
	var table [1 << 16]float32
	for i := range table {
		table[i] = float16.Frombits(uint16(i)).Float32()
	}
	return &table
})

func decodeF16(dst []float32, src []byte) {
	table := f16Table()
	for len(dst) >= 4 && len(src) >= 8 {
		w := binary.LittleEndian.Uint64(src)
		dst[0] = table[uint16(w)]
		dst[1] = table[uint16(w>>16)]
		dst[2] = table[uint16(w>>32)]
		dst[3] = table[uint16(w>>48)]
		dst, src = dst[4:], src[8:]
	}
	for i := range dst {
		dst[i] = table[binary.LittleEndian.Uint16(src[2*i:])]
	}
}
