package gguf

import (
	"fmt"

	"st/quant"
)

// Type is a tensor's number format, by its number in ggml.
type Type uint32

// The types that [Tensor.ReadRows] decodes.
const (
	F32    Type = 0
	F16    Type = 1
	Q4_0   Type = 2
	Q4_1   Type = 3
	Q5_0   Type = 6
	Q5_1   Type = 7
	Q8_0   Type = 8
	Q2_K   Type = 10
	Q3_K   Type = 11
	Q4_K   Type = 12
	Q5_K   Type = 13
	Q6_K   Type = 14
	IQ4_NL Type = 20
	IQ4_XS Type = 23
	BF16   Type = 30
)

// typeInfo is what is known of a type.
type typeInfo struct {
	name   string
	block  int64                           // weights in a block; 0 if the type has been removed from the format
	bytes  int64                           // bytes of a block
	decode func(dst []float32, src []byte) // decodes whole blocks; nil if the type is known by its name only
}

var types = map[Type]typeInfo{
	F32: {"F32", 1, 4, decodeF32}, F16: {"F16", 1, 2, decodeF16}, BF16: {"BF16", 1, 2, decodeBF16},
	Q4_0: {"Q4_0", 32, 18, decodeQ4_0}, Q4_1: {"Q4_1", 32, 20, decodeQ4_1}, Q5_0: {"Q5_0", 32, 22, decodeQ5_0}, Q5_1: {"Q5_1", 32, 24, decodeQ5_1},
	Q8_0: {"Q8_0", 32, 34, decodeQ8_0},
	Q2_K: {"Q2_K", 256, 84, decodeQ2_K}, Q3_K: {"Q3_K", 256, 110, decodeQ3_K}, Q4_K: {"Q4_K", 256, 144, decodeQ4_K},
	Q5_K: {"Q5_K", 256, 176, decodeQ5_K}, Q6_K: {"Q6_K", 256, 210, decodeQ6_K},
	IQ4_NL: {"IQ4_NL", 32, 18, decodeIQ4_NL}, IQ4_XS: {"IQ4_XS", 256, 136, decodeIQ4_XS},

	9: {"Q8_1", 32, 36, nil}, 15: {"Q8_K", 256, 292, nil},
	16: {"IQ2_XXS", 256, 66, nil}, 17: {"IQ2_XS", 256, 74, nil}, 18: {"IQ3_XXS", 256, 98, nil}, 19: {"IQ1_S", 256, 50, nil},
	21: {"IQ3_S", 256, 110, nil}, 22: {"IQ2_S", 256, 82, nil}, 29: {"IQ1_M", 256, 56, nil},
	24: {"I8", 1, 1, nil}, 25: {"I16", 1, 2, nil}, 26: {"I32", 1, 4, nil}, 27: {"I64", 1, 8, nil}, 28: {"F64", 1, 8, nil},
	34: {"TQ1_0", 256, 54, nil}, 35: {"TQ2_0", 256, 66, nil}, 39: {"MXFP4", 32, 17, nil}, 40: {"NVFP4", 64, 36, nil},
	41: {"Q1_0", 128, 18, nil}, 42: {"Q2_0", 64, 18, nil},

	// Types that ggml has removed: their sizes are no part of the format any more.
	4: {name: "Q4_2"}, 5: {name: "Q4_3"}, 31: {name: "Q4_0_4_4"}, 32: {name: "Q4_0_4_8"}, 33: {name: "Q4_0_8_8"},
	36: {name: "IQ4_NL_4_4"}, 37: {name: "IQ4_NL_4_8"}, 38: {name: "IQ4_NL_8_8"},
}

// String returns the type's name in ggml, in capitals, or "type N" if it is unknown.
func (t Type) String() string {
	if i, ok := types[t]; ok {
		return i.name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// Known reports whether the size of a block is known.
func (t Type) Known() bool { return types[t].block > 0 }

// Decodable reports whether [Tensor.ReadRows] decodes the type.
func (t Type) Decodable() bool { return types[t].decode != nil }

// Block returns the number of weights of a block, of which a row must be a multiple; 0 if it is not known.
func (t Type) Block() int { return int(types[t].block) }

// RowBytes returns the bytes of a row of n weights, which must be whole blocks.
func (t Type) RowBytes(n int) int {
	i := types[t]
	return int(int64(n) / max(1, i.block) * i.bytes)
}

// Quant returns the type of package quant that holds the same numbers, if there is one: such blocks can be kept without rounding again.
func (t Type) Quant() (quant.Type, bool) {
	switch t {
	case F32:
		return quant.F32, true
	case F16:
		return quant.F16, true
	case BF16:
		return quant.BF16, true
	case Q4_0:
		return quant.Q4_0, true
	case Q8_0:
		return quant.Q8_0, true
	}
	return 0, false
}

// TypeOf is the inverse of [Type.Quant].
func TypeOf(t quant.Type) Type {
	return map[quant.Type]Type{quant.F32: F32, quant.F16: F16, quant.BF16: BF16, quant.Q4_0: Q4_0, quant.Q8_0: Q8_0}[t]
}
