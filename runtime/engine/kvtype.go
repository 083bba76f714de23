package engine

import (
	"fmt"

	"st/quant"
)

// KVType is the number format of the KV cache.
type KVType uint8

// The types of KV cache. The zero value is the default, float16.
const (
	KVF16 KVType = iota
	KVF32
	KVQ8
)

// ParseKVType returns the type of that name: f16, f32 or q8_0.
func ParseKVType(name string) (KVType, error) {
	for t := KVF16; t <= KVQ8; t++ {
		if name == t.String() {
			return t, nil
		}
	}
	return 0, fmt.Errorf("unknown KV cache type %q: choose one of f16, f32, q8_0", name)
}

// String returns the name that [ParseKVType] reads.
func (t KVType) String() string {
	if t > KVQ8 {
		return fmt.Sprintf("KVType(%d)", uint8(t))
	}
	return t.quant().String()
}

func (t KVType) quant() quant.Type {
	return [...]quant.Type{KVF16: quant.F16, KVF32: quant.F32, KVQ8: quant.Q8_0}[t]
}

func (t KVType) check(headDim int) error {
	if t > KVQ8 {
		return fmt.Errorf("KV cache type %d is unknown", uint8(t))
	}
	if !t.quant().Fits(headDim) {
		return fmt.Errorf("KV cache type %s needs heads of a multiple of %d numbers, this model's have %d: use f16 or f32",
			t, quant.BlockSize, headDim)
	}
	return nil
}
