package gguf

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"st/quant"
)

// written returns a file with random blocks in it.
func written(tb testing.TB, metadata Metadata, tensors []Info) []byte {
	tb.Helper()
	rng := rand.New(rand.NewPCG(7, 7))
	var b bytes.Buffer
	w, err := NewWriter(&b, metadata, tensors)
	if err != nil {
		tb.Fatal(err)
	}
	for _, t := range tensors {
		size, err := t.bytes()
		if err != nil {
			tb.Fatal(err)
		}
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		for len(data) > 0 { // in pieces
			n := min(len(data), 1000)
			if _, err := w.Write(data[:n]); err != nil {
				tb.Fatal(err)
			}
			data = data[n:]
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// everyType is an entry of each type of value.
var everyType = Metadata{
	{"u8", uint8(255)}, {"i8", int8(-128)}, {"u16", uint16(65535)}, {"i16", int16(-32768)}, {"u32", uint32(math.MaxUint32)}, {"i32", int32(math.MinInt32)},
	{"u64", uint64(math.MaxUint64)}, {"i64", int64(math.MinInt64)}, {"f32", float32(1e-6)}, {"f64", math.Pi}, {"yes", true}, {"no", false},
	{"text", "Grüße"}, {"empty", ""}, {"long", strings.Repeat("0123456789", 20000)},
	{"u8s", []uint8{1, 2}}, {"i8s", []int8{-1}}, {"u16s", []uint16{3}}, {"i16s", []int16{-3}}, {"u32s", []uint32{4}}, {"i32s", []int32{-4}},
	{"u64s", []uint64{5}}, {"i64s", []int64{-5}}, {"f32s", []float32{0.5}}, {"f64s", []float64{0.25}}, {"bools", []bool{true, false}},
	{"texts", []string{"a", "", "bc"}}, {"none", []string{}}, {"arrays", []any{[]uint8{1}, []string{"x"}, []any{[]int32{}, []float64{1, 2}}}},
}

// What is written is read: values, shapes, data.
func TestRoundTrip(t *testing.T) {
	tensors := []Info{{"a.weight", []int{3, 64}, Q4_0}, {"norm", []int{5}, F32}, {"experts", []int{2, 3, 256}, Q6_K}, {"half", []int{1, 1, 1, 7}, F16}}
	for _, alignment := range []uint32{0, 1, 8, 4096} {
		metadata := everyType
		if alignment > 0 {
			metadata = append(Metadata{{"general.alignment", alignment}}, everyType...)
		}
		f, err := parse(written(t, metadata, tensors))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(f.Metadata, metadata) {
			t.Errorf("alignment %d: read %v, want %v", alignment, f.Metadata, metadata)
		}
		rng := rand.New(rand.NewPCG(7, 7))
		for i, got := range f.Tensors {
			want := tensors[i]
			if got.Name != want.Name || !reflect.DeepEqual(got.Shape, want.Shape) || got.Type != want.Type || got.Offset()%f.Alignment != 0 {
				t.Errorf("alignment %d: tensor %+v, want %+v", alignment, got, want)
			}
			data := make([]byte, got.Bytes())
			if err := got.ReadBlocks(t.Context(), data, 0, got.Rows()); err != nil {
				t.Fatal(err)
			}
			for j, b := range data {
				if b != byte(rng.Uint32()) {
					t.Fatalf("alignment %d: byte %d of tensor %q is not the one that was written", alignment, j, got.Name)
				}
			}
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		metadata Metadata
		tensors  []Info
		want     string
	}{
		"a value of no type":  {Metadata{{"k", struct{}{}}}, nil, `metadata entry "k": a struct {} cannot be written`},
		"a plain int":         {Metadata{{"k", 1}}, nil, `metadata entry "k": a int cannot be written`},
		"a scalar in arrays":  {Metadata{{"k", []any{1}}}, nil, `a int among arrays`},
		"a key twice":         {Metadata{{"k", true}, {"k", true}}, nil, "there twice"},
		"an odd alignment":    {Metadata{{"general.alignment", uint32(24)}}, nil, "power of two"},
		"a tensor twice":      {nil, []Info{{"t", []int{1}, F32}, {"t", []int{1}, F32}}, `tensor "t" is there twice`},
		"an unknown type":     {nil, []Info{{"t", []int{1}, 99}}, "type 99"},
		"a removed type":      {nil, []Info{{"t", []int{32}, 4}}, "Q4_2"},
		"half a block":        {nil, []Info{{"t", []int{2, 33}, Q4_0}}, "no whole blocks"},
		"an empty dimension":  {nil, []Info{{"t", []int{0, 32}, Q4_0}}, "shape [0 32]"},
		"too many dimensions": {nil, []Info{{"t", []int{1, 1, 1, 1, 32}, Q4_0}}, "5 dimensions"},
		"an overflow":         {nil, []Info{{"t", []int{1 << 40, 1 << 40}, F32}}, "shape"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewWriter(new(bytes.Buffer), tt.metadata, tt.tensors)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the error is %v, want %q", err, tt.want)
			}
		})
	}
	var b bytes.Buffer
	w, err := NewWriter(&b, nil, []Info{{"a", []int{2}, F32}, {"b", []int{1}, F32}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 9)); err == nil || !strings.Contains(err.Error(), `tensor "a" needs 8 more`) {
		t.Errorf("too much for a: %v", err)
	}
	if _, err := w.Write(make([]byte, 8)); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), `tensor "b" needs 4 more`) {
		t.Errorf("closed early: %v", err)
	}
	if _, err := w.Write(make([]byte, 4)); err != nil {
		t.Error(err)
	}
	if _, err := w.Write(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "after the last tensor") {
		t.Errorf("after the last: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if _, err := NewWriter(failing{}, nil, nil); !errors.Is(err, errDisk) {
		t.Errorf("on a full disk: %v", err)
	}
}

var errDisk = errors.New("no space left on device")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errDisk }

// Who writes data where the layout says makes the file that a Writer makes.
func TestLayout(t *testing.T) {
	metadata := Metadata{{"general.alignment", uint32(64)}, {"general.architecture", "qwen3"}}
	tensors := []Info{{"a", []int{3, 32}, Q4_0}, {"b", []int{5}, F32}, {"c", []int{2, 32}, Q8_0}}
	want := written(t, metadata, tensors)
	l, err := NewLayout(metadata, tensors)
	if err != nil {
		t.Fatal(err)
	}
	if l.Size != int64(len(want)) || !bytes.HasPrefix(want, l.Header) {
		t.Fatalf("%d bytes, want %d", l.Size, len(want))
	}
	f, err := newShard("x", bytes.NewReader(want), l.Size)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.place(); err != nil {
		t.Fatal(err)
	}
	for i, x := range f.tensors {
		if x.Offset() != l.Offsets[i] {
			t.Errorf("tensor %s is at %d, the layout has it at %d", x.Name, x.Offset(), l.Offsets[i])
		}
	}
	if _, err := NewLayout(Metadata{{"general.alignment", uint32(3)}}, nil); err == nil {
		t.Error("no error for an alignment of 3")
	}
}

func TestTypeOf(t *testing.T) {
	for _, typ := range quant.Types() {
		if back, ok := TypeOf(typ).Quant(); !ok || back != typ {
			t.Errorf("%s is %s, which is %s", typ, TypeOf(typ), back)
		}
	}
}
