package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/x448/float16"
)

func TestDecodeF16All(t *testing.T) {
	src := make([]byte, 0, 2<<16)
	for i := range 1 << 16 {
		src = binary.LittleEndian.AppendUint16(src, uint16(i))
	}
	dst := make([]float32, 1<<16)
	decoder(F16)(dst, src)
	for i, got := range dst {
		if want := float16.Frombits(uint16(i)).Float32(); !sameBits(got, want) {
			t.Fatalf("float16 %#04x: got %v, want %v", i, got, want)
		}
	}
}

func TestDecodeBF16All(t *testing.T) {
	src := make([]byte, 0, 2<<16)
	for i := range 1 << 16 {
		src = binary.LittleEndian.AppendUint16(src, uint16(i))
	}
	dst := make([]float32, 1<<16)
	decoder(BF16)(dst, src)
	for i, got := range dst {
		if want := uint32(i) << 16; math.Float32bits(got) != want {
			t.Fatalf("bfloat16 %#04x: got bits %#08x, want %#08x", i, math.Float32bits(got), want)
		}
	}
}

// TestDecodeLengths: the unrolled loops leave the right elements to the loops for the rest.
func TestDecodeLengths(t *testing.T) {
	for _, d := range []DType{F64, F32, F16, BF16, F8E4M3, F8E5M2} {
		size := int(d.bits() / 8)
		for n := range 70 {
			src := make([]byte, n*size)
			for i := range src {
				src[i] = byte(rand.Uint32())
			}
			got := make([]float32, n+1)
			got[n] = 42
			decoder(d)(got[:n], src)
			for i := range n {
				var one [1]float32
				decoder(d)(one[:], src[i*size:][:size])
				if !sameBits(got[i], one[0]) {
					t.Errorf("%s, %d elements: element %d is %v, alone %v", d, n, i, got[i], one[0])
				}
			}
			if got[n] != 42 {
				t.Errorf("%s, %d elements: wrote past the end", d, n)
			}
		}
	}
}

// TestDecodeF64: numbers of 64 bits become the nearest of 32.
func TestDecodeF64(t *testing.T) {
	inf := float32(math.Inf(1))
	for v, want := range map[float64]float32{0.1: 0.1, -1e-50: 0, 1 << 24: 1 << 24, 1<<24 + 1: 1 << 24, 1e300: inf, math.Inf(-1): -inf} {
		var got [1]float32
		if decoder(F64)(got[:], binary.LittleEndian.AppendUint64(nil, math.Float64bits(v))); got[0] != want {
			t.Errorf("%v is %v, want %v", v, got[0], want)
		}
	}
}

// BenchmarkDecode reports source bytes a second.
func BenchmarkDecode(b *testing.B) {
	const elements = 64 << 10
	rng := rand.New(rand.NewPCG(1, 2))
	for _, d := range []DType{F32, F16, BF16} {
		src := make([]byte, 0, elements*4)
		for range elements {
			v := float32(rng.NormFloat64() * 0.02) // as weights are
			switch d {
			case F32:
				src = binary.LittleEndian.AppendUint32(src, math.Float32bits(v))
			case F16:
				src = binary.LittleEndian.AppendUint16(src, float16.Fromfloat32(v).Bits())
			case BF16:
				src = binary.LittleEndian.AppendUint16(src, uint16(math.Float32bits(v)>>16))
			}
		}
		b.Run(d.String(), func(b *testing.B) {
			dst := make([]float32, elements)
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				decoder(d)(dst, src)
			}
		})
	}
}

// BenchmarkReadRows reads through a file in memory.
func BenchmarkReadRows(b *testing.B) {
	const rows, cols = 2048, 2048
	for _, strides := range [][]int64{nil, {1, rows}} {
		f := &memFile{data: make([]byte, rows*cols*2)}
		t, err := newTensor("mem", f, "w", BF16, []int{rows, cols}, 0)
		must(b, err)
		t.strides = strides
		dst := make([]float32, rows*cols)
		b.Run(fmt.Sprintf("transposed=%t", strides != nil), func(b *testing.B) {
			b.SetBytes(t.Bytes())
			for b.Loop() {
				must(b, t.ReadRows(dst, 0, rows))
			}
		})
	}
}

// TestDecodeF8 holds the numbers of eight bits against the tables of arXiv 2209.05433 and the OCP specifications.
func TestDecodeF8(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for d, values := range map[DType]map[byte]float32{
		F8E4M3: {0x00: 0, 0x01: 1.0 / 512, 0x07: 7.0 / 512, 0x08: 1.0 / 64, 0x38: 1, 0x39: 1.125, 0x7e: 448, 0xfe: -448, 0x7f: nan, 0xff: nan, 0xb8: -1},
		F8E5M2: {0x00: 0, 0x01: 1.0 / 65536, 0x03: 3.0 / 65536, 0x04: 1.0 / 16384, 0x3c: 1, 0x3d: 1.25, 0x7b: 57344, 0x7c: inf, 0xfc: -inf, 0x7d: nan, 0xbc: -1},
		F8E8M0: {0x00: 0x1p-127, 0x7f: 1, 0x80: 2, 0xfe: 0x1p127, 0xff: nan},
	} {
		for b, want := range values {
			var got [1]float32
			decoder(d)(got[:], []byte{b})
			if got[0] != want && (got[0] == got[0] || want == want) {
				t.Errorf("%s %#02x is %v, want %v", d, b, got[0], want)
			}
		}
	}
	var zero [1]float32
	if decoder(F8E4M3)(zero[:], []byte{0x80}); !math.Signbit(float64(zero[0])) {
		t.Error("F8_E4M3 0x80 is not −0")
	}
}
