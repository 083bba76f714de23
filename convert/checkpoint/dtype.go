package checkpoint

import "fmt"

// DType is the type of a tensor's elements in its file.
type DType uint8

// The types that [Tensor.ReadRows] decodes. Tensors of other types are listed, by the names that safetensors uses, but
// reading them is an error.
const (
	F32 DType = iota + 1
	F16
	BF16
	F8E4M3 // torch.float8_e4m3fn: no infinities, and the largest number is 448
	F8E5M2 // torch.float8_e5m2, as IEEE 754 would have it
	F64    // decoded to the nearest float32
	i64
	i32
	i16
	i8
	u64
	u32
	u16
	u8
	boolean
	c64
	c128
	F8E8M0 // torch.float8_e8m0fnu: powers of two, as scales
	f8e4m3fnuz
	f8e5m2fnuz
	f6e2m3
	f6e3m2
	f4
)

// dtypes holds what each type is called and how wide it is; safetensors packs types narrower than a byte.
var dtypes = [...]struct {
	name string
	bits int64
}{
	F32:        {"F32", 32},
	F16:        {"F16", 16},
	BF16:       {"BF16", 16},
	F64:        {"F64", 64},
	i64:        {"I64", 64},
	i32:        {"I32", 32},
	i16:        {"I16", 16},
	i8:         {"I8", 8},
	u64:        {"U64", 64},
	u32:        {"U32", 32},
	u16:        {"U16", 16},
	u8:         {"U8", 8},
	boolean:    {"BOOL", 8},
	c64:        {"C64", 64},
	c128:       {"C128", 128},
	F8E4M3:     {"F8_E4M3", 8},
	F8E5M2:     {"F8_E5M2", 8},
	F8E8M0:     {"F8_E8M0", 8},
	f8e4m3fnuz: {"F8_E4M3FNUZ", 8},
	f8e5m2fnuz: {"F8_E5M2FNUZ", 8},
	f6e2m3:     {"F6_E2M3", 6},
	f6e3m2:     {"F6_E3M2", 6},
	f4:         {"F4", 4},
}

// String returns the name that safetensors uses, such as "BF16".
func (d DType) String() string {
	if d == 0 || int(d) >= len(dtypes) {
		return fmt.Sprintf("DType(%d)", uint8(d))
	}
	return dtypes[d].name
}

func (d DType) bits() int64 { return dtypes[d].bits }

// dtypeByName returns the type that safetensors calls name.
func dtypeByName(name string) (DType, bool) {
	for d, info := range dtypes {
		if d > 0 && info.name == name {
			return DType(d), true
		}
	}
	return 0, false
}
