package ckpttest

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/x448/float16"
)

// Tensor is one tensor to write.
type Tensor struct {
	Name  string
	DType string // as in safetensors: F32, F16, BF16, F64, I64, I32, I8, U8, and F8_E4M3 and F8_E5M2, whose Data are the bytes
	Shape []int
	Data  []float32 // row-major; rounded to nearest even in a narrower type

	// The rest is for torch files only.

	Strides []int  // elements; nil for row-major
	Offset  int    // of the first element in the storage, elements
	Storage string // tensors that name the same storage share it; empty for one of its own
}

// elementSizes holds the bytes per element of the types this package writes.
var elementSizes = map[string]int{"F32": 4, "F16": 2, "BF16": 2, "F64": 8, "I64": 8, "I32": 4, "I8": 1, "U8": 1, "F8_E4M3": 1, "F8_E5M2": 1}

// appendElement appends v as one little-endian element.
func appendElement(b []byte, dtype string, v float32) ([]byte, error) {
	switch dtype {
	case "F32":
		return binary.LittleEndian.AppendUint32(b, math.Float32bits(v)), nil
	case "F16":
		return binary.LittleEndian.AppendUint16(b, float16.Fromfloat32(v).Bits()), nil
	case "BF16":
		return binary.LittleEndian.AppendUint16(b, bf16(v)), nil
	case "F64":
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(float64(v))), nil
	case "I64":
		return binary.LittleEndian.AppendUint64(b, uint64(int64(v))), nil
	case "I32":
		return binary.LittleEndian.AppendUint32(b, uint32(int32(v))), nil
	case "I8":
		return append(b, uint8(int8(v))), nil
	case "U8", "F8_E4M3", "F8_E5M2":
		return append(b, uint8(v)), nil
	}
	return nil, fmt.Errorf("ckpttest: cannot write dtype %q", dtype)
}

// bf16 rounds to the nearest bfloat16, ties to even.
func bf16(v float32) uint16 {
	bits := math.Float32bits(v)
	if v != v {
		return uint16(bits>>16) | 0x40 // rounding could turn a NaN into an infinity
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

// elements returns the product of a shape.
func elements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// check verifies what the writers rely on.
func (t Tensor) check() error {
	if elementSizes[t.DType] == 0 {
		return fmt.Errorf("ckpttest: tensor %q: cannot write dtype %q", t.Name, t.DType)
	}
	if elements(t.Shape) != len(t.Data) {
		return fmt.Errorf("ckpttest: tensor %q: shape %v but %d values", t.Name, t.Shape, len(t.Data))
	}
	return nil
}
