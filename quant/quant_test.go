package quant

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/x448/float16"
)

// The definitions of Q4_0 and Q8_0, written down once more, one weight at a time, as ggml's reference has them.
func referenceQ4(x []float32) (d uint16, q [32]byte) {
	var amax, m float32
	for _, v := range x {
		if a := float32(math.Abs(float64(v))); a > amax {
			amax, m = a, v
		}
	}
	scale := m / -8
	var id float32
	if scale != 0 {
		id = 1 / scale
	}
	for i, v := range x {
		w := v * id
		q[i] = byte(min(15, int8(w+8.5)))
	}
	return float16.Fromfloat32(scale).Bits(), q
}

func referenceQ8(x []float32) (d uint16, q [32]int8) {
	var amax float64
	for _, v := range x {
		amax = max(amax, math.Abs(float64(v)))
	}
	scale := float32(amax) / 127
	var id float32
	if scale != 0 {
		id = 1 / scale
	}
	for i, v := range x {
		w := v * id
		q[i] = int8(math.Round(float64(w)))
	}
	return float16.Fromfloat32(scale).Bits(), q
}

// blocks are the inputs that every block format is tried on.
func blocks() map[string][]float32 {
	rng := rand.New(rand.NewPCG(1, 2))
	all := map[string][]float32{"zeros": make([]float32, 32)}
	for i := range 200 {
		x := make([]float32, 32)
		for j := range x {
			x[j] = float32(rng.NormFloat64()) * float32(math.Pow(10, float64(i%9-6)))
		}
		all[fmt.Sprintf("random %d", i)] = x
	}
	outlier := make([]float32, 32)
	for j := range outlier {
		outlier[j] = 0.01
	}
	outlier[17] = -300
	all["one outlier"] = outlier
	equal := make([]float32, 32)
	for j := range equal {
		equal[j] = []float32{1, -1}[j%2]
	}
	all["plus and minus the maximum"] = equal
	small := make([]float32, 32)
	for j := range small {
		small[j] = 1e-7 * float32(j-16) // scales that are denormal as float16
	}
	all["denormal scales"] = small
	return all
}

func TestBlocksEqualReference(t *testing.T) {
	for name, x := range blocks() {
		t.Run(name, func(t *testing.T) {
			q, s := make([]byte, 16), make([]byte, 2)
			Q4_0.Encode(q, s, x)
			d4, q4 := referenceQ4(x)
			if got := le.Uint16(s); got != d4 {
				t.Errorf("q4_0: scale is %#x, want %#x", got, d4)
			}
			for i := range 16 {
				if lo, hi := q[i]&15, q[i]>>4; lo != q4[i] || hi != q4[i+16] {
					t.Errorf("q4_0: byte %d holds %d and %d, want %d and %d", i, lo, hi, q4[i], q4[i+16])
				}
			}
			q = make([]byte, 32)
			Q8_0.Encode(q, s, x)
			d8, q8 := referenceQ8(x)
			if got := le.Uint16(s); got != d8 {
				t.Errorf("q8_0: scale is %#x, want %#x", got, d8)
			}
			for i := range q {
				if int8(q[i]) != q8[i] {
					t.Errorf("q8_0: quant %d is %d, want %d", i, int8(q[i]), q8[i])
				}
			}
		})
	}
}

// What a type loses is bounded by half a step and, in the block types, by the rounding of the scale to a float16, which is
// coarse where that is denormal.
func TestRoundTrip(t *testing.T) {
	const denormal = 1. / (1 << 24) // the smallest float16
	for _, tt := range []struct {
		typ       Type
		step      float64 // relative to the largest weight
		scaleStep float64 // absolute: the largest quant times a denormal step
	}{
		{F32, 0, 0}, {F16, 1. / 1024, denormal}, {BF16, 1. / 128, 0},
		{Q8_0, 1./254 + 1./2048, 128 * denormal}, {Q4_0, 1./8 + 1./2048, 8 * denormal},
	} {
		for name, x := range blocks() {
			q, s := make([]byte, tt.typ.QuantBytes(len(x))), make([]byte, tt.typ.ScaleBytes(len(x)))
			got := make([]float32, len(x))
			tt.typ.Encode(q, s, x)
			tt.typ.Decode(got, q, s)
			var top float64
			for _, v := range x {
				top = max(top, math.Abs(float64(v)))
			}
			for i := range x {
				if d := math.Abs(float64(got[i] - x[i])); d > tt.step*top+tt.scaleStep {
					t.Fatalf("%s of %s: weight %d is %g, want %g", tt.typ, name, i, got[i], x[i])
				}
			}
		}
	}
}

func TestNonfinite(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	x := make([]float32, 32)
	x[0], x[1], x[2], x[3] = nan, inf, -inf, 1
	for _, typ := range []Type{Q8_0, Q4_0} {
		q, s, got := make([]byte, typ.QuantBytes(32)), make([]byte, typ.ScaleBytes(32)), make([]float32, 32)
		typ.Encode(q, s, x)
		typ.Decode(got, q, s)
		if got[0] != 0 || !(got[1] > 1e5) || !(got[2] < -1e5) || math.IsInf(float64(got[1]), 0) {
			t.Errorf("%s: NaN, +Inf and -Inf become %v, want 0 and large finite numbers", typ, got[:3])
		}
	}
	for _, typ := range []Type{F32, F16, BF16} {
		q, got := make([]byte, typ.QuantBytes(32)), make([]float32, 32)
		typ.Encode(q, nil, x)
		typ.Decode(got, q, nil)
		if got[0] == got[0] || got[1] != inf || got[2] != -inf {
			t.Errorf("%s: NaN, +Inf and -Inf become %v", typ, got[:3])
		}
	}
}

func TestMax(t *testing.T) {
	for _, typ := range Types() {
		x := make([]float32, 32)
		x[0], x[5] = typ.Max(), -typ.Max()
		q, s, got := make([]byte, typ.QuantBytes(32)), make([]byte, typ.ScaleBytes(32)), make([]float32, 32)
		typ.Encode(q, s, x)
		typ.Decode(got, q, s)
		if math.IsInf(float64(got[0]), 0) || math.IsInf(float64(got[5]), 0) {
			t.Errorf("%s: its largest weights ±%g become %g and %g", typ, typ.Max(), got[0], got[5])
		}
	}
}

func TestBFloat(t *testing.T) {
	for _, tt := range []struct {
		in   float32
		want uint16
	}{
		{1, 0x3f80}, {-2, 0xc000}, {0, 0},
		{math.Float32frombits(0x3f808000), 0x3f80}, // a tie goes to the even one
		{math.Float32frombits(0x3f818000), 0x3f82},
		{math.Float32frombits(0x3f808001), 0x3f81},
		{math.MaxFloat32, 0x7f80},
		{math.Float32frombits(0x7f800001), 0x7fc0}, // a NaN whose payload is cut off
	} {
		if got := FloatToBFloat(tt.in); got != tt.want {
			t.Errorf("FloatToBFloat(%g) is %#x, want %#x", tt.in, got, tt.want)
		}
	}
}

// A group decodes to the rows it was made of, with an even and an odd number of blocks.
func TestGroup(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, typ := range []Type{Q8_0, Q4_0} {
		for _, cols := range []int{32, 64, 96, 192} {
			src := make([]float32, GroupRows*cols)
			for i := range src {
				src[i] = rng.Float32() - 0.5
			}
			group := make([]byte, typ.GroupBytes(cols))
			new(Encoder).EncodeGroup(typ, group, src, make([]byte, len(group)))
			q, s := make([]byte, typ.QuantBytes(cols)), make([]byte, typ.ScaleBytes(cols))
			want, got := make([]float32, cols), make([]float32, cols)
			for r := range GroupRows {
				typ.Encode(q, s, src[r*cols:][:cols])
				typ.Decode(want, q, s)
				typ.DecodeGroupRow(got, group, r)
				for i := range want {
					if got[i] != want[i] {
						t.Fatalf("%s, %d columns: weight [%d, %d] is %g, want %g", typ, cols, r, i, got[i], want[i])
					}
				}
			}
		}
	}
}

// The bytes of a group, spelled out as FORMAT.md does.
func TestGroupBytes(t *testing.T) {
	const cols, nb = 96, 3 // a pair of blocks and a single one
	src := make([]float32, GroupRows*cols)
	for r := range GroupRows {
		for c := range cols {
			src[r*cols+c] = float32((r+c)%16 - 8)
		}
	}
	group := make([]byte, Q4_0.GroupBytes(cols))
	new(Encoder).EncodeGroup(Q4_0, group, src, make([]byte, len(group)))
	for _, tt := range []struct{ block, scales, quants int }{{0, 0, 64}, {1, 32, 320}, {2, 576, 608}} {
		for r := range GroupRows {
			if d := HalfToFloat(le.Uint16(group[tt.scales+2*r:])); d != 1 {
				t.Errorf("block %d: scale of row %d is %g, want 1", tt.block, r, d)
			}
			for i := range 16 {
				b := group[tt.quants+i/4*64+4*r+i%4]
				lo, hi := (r+32*tt.block+i)%16, (r+32*tt.block+i+16)%16
				if int(b&15) != lo || int(b>>4) != hi {
					t.Errorf("block %d row %d byte %d is %#x, want %#x", tt.block, r, i, b, hi<<4|lo)
				}
			}
		}
	}
}

func TestParseType(t *testing.T) {
	for _, typ := range Types() {
		if got, err := ParseType(typ.String()); err != nil || got != typ {
			t.Errorf("ParseType(%q) is %v, %v", typ.String(), got, err)
		}
	}
	if _, err := ParseType("q5_k"); err == nil {
		t.Error("ParseType(q5_k) gives no error")
	}
}

func ExampleType_Encode() {
	row := make([]float32, 32)
	row[3], row[20] = 4, -8
	quants := make([]byte, Q4_0.QuantBytes(len(row)))
	scales := make([]byte, Q4_0.ScaleBytes(len(row)))
	Q4_0.Encode(quants, scales, row)
	Q4_0.Decode(row, quants, scales)
	fmt.Println(len(quants)+len(scales), "bytes:", row[3], row[20])
	// Output: 18 bytes: 4 -8
}
