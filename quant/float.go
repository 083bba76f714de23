package quant

import (
	"encoding/binary"
	"math"

	"github.com/x448/float16"
)

var le = binary.LittleEndian

// halves holds the float32 value of every float16, because widening is in the inner loops of the plain kernels.
var halves = func() *[1 << 16]float32 {
	var t [1 << 16]float32
	for i := range t {
		t[i] = float16.Frombits(uint16(i)).Float32()
	}
	return &t
}()

// maxHalf is the largest float16.
const maxHalf = 65504

// HalfToFloat widens the bits of an IEEE 754 binary16 number; exact.
func HalfToFloat(bits uint16) float32 { return halves[bits] }

// FloatToHalf rounds to the nearest IEEE 754 binary16 number, ties to even, and returns its bits.
func FloatToHalf(f float32) uint16 { return float16.Fromfloat32(f).Bits() }

// BFloatToFloat widens the bits of a bfloat16 number; exact.
func BFloatToFloat(bits uint16) float32 { return math.Float32frombits(uint32(bits) << 16) }

// FloatToBFloat rounds to the nearest bfloat16 number, ties to even, and returns its bits. A NaN stays one.
func FloatToBFloat(f float32) uint16 {
	b := math.Float32bits(f)
	if f != f {
		return uint16(b>>16) | 0x40 // keep it a NaN if its payload is in the bits that are cut off
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

func encodeF32(dst []byte, src []float32) {
	for i, v := range src {
		le.PutUint32(dst[4*i:], math.Float32bits(v))
	}
}

// The loops that decode take eight bytes at a time: one load and one bounds check for several numbers make them about twice as fast.

func decodeF32(dst []float32, src []byte) {
	for len(dst) >= 2 && len(src) >= 8 {
		w := le.Uint64(src)
		dst[0] = math.Float32frombits(uint32(w))
		dst[1] = math.Float32frombits(uint32(w >> 32))
		dst, src = dst[2:], src[8:]
	}
	for i := range dst {
		dst[i] = math.Float32frombits(le.Uint32(src[4*i:]))
	}
}

func encodeF16(dst []byte, src []float32) {
	for i, v := range src {
		le.PutUint16(dst[2*i:], FloatToHalf(v))
	}
}

func decodeF16(dst []float32, src []byte) {
	for len(dst) >= 4 && len(src) >= 8 {
		w := le.Uint64(src)
		dst[0] = halves[uint16(w)]
		dst[1] = halves[uint16(w>>16)]
		dst[2] = halves[uint16(w>>32)]
		dst[3] = halves[uint16(w>>48)]
		dst, src = dst[4:], src[8:]
	}
	for i := range dst {
		dst[i] = halves[le.Uint16(src[2*i:])]
	}
}

func encodeBF16(dst []byte, src []float32) {
	for i, v := range src {
		le.PutUint16(dst[2*i:], FloatToBFloat(v))
	}
}

// decodeBF16Generic: a bfloat16 is the upper half of a float32.
func decodeBF16Generic(dst []float32, src []byte) {
	for len(dst) >= 4 && len(src) >= 8 {
		w := le.Uint64(src)
		dst[0] = math.Float32frombits(uint32(w) << 16)
		dst[1] = math.Float32frombits(uint32(w) & 0xffff0000)
		dst[2] = math.Float32frombits(uint32(w>>32) << 16)
		dst[3] = math.Float32frombits(uint32(w>>32) & 0xffff0000)
		dst, src = dst[4:], src[8:]
	}
	for i := range dst {
		dst[i] = BFloatToFloat(le.Uint16(src[2*i:]))
	}
}

// largestGeneric is Largest in plain Go.
func largestGeneric(x []float32) (top uint32) {
	for _, v := range x {
		top = max(top, math.Float32bits(v)&^(1<<31))
	}
	return top
}
