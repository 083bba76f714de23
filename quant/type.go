package quant

import (
	"fmt"
	"math"
	"strings"
)

// Type is a number format for weights. The values are part of the file format: append, never renumber.
type Type uint8

// The types that a file may hold.
const (
	F32 Type = iota
	F16
	BF16
	Q8_0
	Q4_0
	numTypes
)

// BlockSize is the number of weights that share one scale in Q8_0 and Q4_0.
const BlockSize = 32

type typeInfo struct {
	name       string
	block      int // weights per block
	quantBytes int // bytes of quants per block
	scaleBytes int // bytes of scales per block
}

var types = [numTypes]typeInfo{
	F32:  {"f32", 1, 4, 0},
	F16:  {"f16", 1, 2, 0},
	BF16: {"bf16", 1, 2, 0},
	Q8_0: {"q8_0", BlockSize, BlockSize, 2},
	Q4_0: {"q4_0", BlockSize, BlockSize / 2, 2},
}

// Types lists every type, in the order of their numbers.
func Types() []Type { return []Type{F32, F16, BF16, Q8_0, Q4_0} }

// ParseType returns the type of that name ("q4_0", "F16", …; case does not matter).
func ParseType(name string) (Type, error) {
	var names []string
	for t, info := range types {
		if strings.EqualFold(name, info.name) {
			return Type(t), nil
		}
		names = append(names, info.name)
	}
	return 0, fmt.Errorf("unknown type %q: choose one of %s", name, strings.Join(names, ", "))
}

// Valid reports whether t is a known type.
func (t Type) Valid() bool { return t < numTypes }

// String returns the name that [ParseType] reads.
func (t Type) String() string {
	if !t.Valid() {
		return fmt.Sprintf("type %d", uint8(t))
	}
	return types[t].name
}

// Block returns the number of weights that a row's length must be a multiple of.
func (t Type) Block() int { return types[t].block }

// Fits reports whether rows of cols weights can be stored in this type.
func (t Type) Fits(cols int) bool { return cols%types[t].block == 0 }

// QuantBytes returns the bytes of quants of a row of n weights.
func (t Type) QuantBytes(n int) int { return n / types[t].block * types[t].quantBytes }

// ScaleBytes returns the bytes of scales of a row of n weights: 0 for F32, F16 and BF16.
func (t Type) ScaleBytes(n int) int { return n / types[t].block * types[t].scaleBytes }

// RowBytes returns the bytes of a row of n weights, quants and scales.
func (t Type) RowBytes(n int) int { return t.QuantBytes(n) + t.ScaleBytes(n) }

// Bits returns the bits that one weight takes, scales counted in.
func (t Type) Bits() float64 {
	i := types[t]
	return 8 * float64(i.quantBytes+i.scaleBytes) / float64(i.block)
}

// Max returns the largest absolute value that the type can store; a larger finite weight would become infinite.
func (t Type) Max() float32 {
	switch t {
	case F16:
		return maxHalf
	case BF16: // it rounds to nearest, so the largest float32 numbers would round up to infinity
		return math.Float32frombits(0x7f7f0000)
	case Q8_0:
		return 127 * maxHalf
	case Q4_0:
		return 8 * maxHalf
	}
	return math.MaxFloat32
}

// Encode stores src in quants ([Type.QuantBytes] of len(src)) and scales ([Type.ScaleBytes]). It rounds to nearest; the
// block formats choose the scale as ggml's reference does. len(src) must be a multiple of [Type.Block].
func (t Type) Encode(quants, scales []byte, src []float32) {
	switch t {
	case F32:
		encodeF32(quants, src)
	case F16:
		encodeF16(quants, src)
	case BF16:
		encodeBF16(quants, src)
	case Q8_0:
		encodeQ8(quants, scales, src)
	case Q4_0:
		encodeQ4(quants, scales, src)
	}
}

// Decode is the inverse of [Type.Encode]: it fills dst from quants and scales.
func (t Type) Decode(dst []float32, quants, scales []byte) {
	switch t {
	case F32:
		decodeF32(dst, quants)
	case F16:
		decodeF16(dst, quants)
	case BF16:
		decodeBF16(dst, quants)
	case Q8_0:
		decodeQ8(dst, quants, scales)
	case Q4_0:
		decodeQ4(dst, quants, scales)
	}
}
