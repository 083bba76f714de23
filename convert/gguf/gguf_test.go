package gguf

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// builder writes a GGUF file.
type builder struct{ bytes.Buffer }

func (b *builder) put(values ...any) *builder {
	for _, v := range values {
		if s, ok := v.(string); ok {
			binary.Write(b, binary.LittleEndian, uint64(len(s)))
			b.WriteString(s)
			continue
		}
		binary.Write(b, binary.LittleEndian, v)
	}
	return b
}

func header(tensors, entries uint64) *builder {
	b := &builder{}
	b.WriteString("GGUF")
	return b.put(uint32(3), tensors, entries)
}

// model is a small sound file.
func model() []byte {
	b := header(2, 6).
		put("general.architecture", uint32(8), "smallthinker").
		put("block_count", uint32(4), uint32(2)).
		put("eps", uint32(6), float32(1e-6)).
		put("layout", uint32(9), uint32(7), uint64(2), uint8(1), uint8(0)).
		put("tokens", uint32(9), uint32(8), uint64(2), "a", "bc").
		put("general.alignment", uint32(4), uint32(64)).
		put("w", uint32(2), uint64(64), uint64(3), uint32(2), uint64(0)).
		put("norm", uint32(1), uint64(5), uint32(0), uint64(128))
	for b.Len()%64 != 0 {
		b.WriteByte(0)
	}
	b.Write(make([]byte, 128+20))
	return b.Bytes()
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.gguf")
	if err := os.WriteFile(path, model(), 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if f.Version != 3 || f.Alignment != 64 || len(f.Tensors) != 2 || f.DataStart%64 != 0 || f.Size != int64(len(model())) {
		t.Errorf("%+v", f)
	}
	if w := f.Tensors[0]; w.Name != "w" || !slices.Equal(w.Shape, []int64{3, 64}) || w.Type.String() != "Q4_0" || w.Bytes != 3*2*18 || w.Params != 192 || w.Offset != f.DataStart {
		t.Errorf("%+v", w)
	}
	want := []Entry{
		{"general.architecture", "string", "smallthinker", 0}, {"block_count", "uint32", "2", 0}, {"eps", "float32", "1e-06", 0},
		{"layout", "array of bool", "2 elements", 2}, {"tokens", "array of string", "2 elements", 2}, {"general.alignment", "uint32", "64", 0},
	}
	if !slices.Equal(f.Metadata, want) {
		t.Errorf("%+v", f.Metadata)
	}
}

func TestMalformed(t *testing.T) {
	entry := func(values ...any) []byte { return header(0, 1).put("k").put(values...).Bytes() }
	tensor := func(values ...any) []byte {
		return append(header(1, 0).put("t").put(values...).Bytes(), make([]byte, 64)...)
	}
	for name, tt := range map[string]struct {
		data []byte
		want string
	}{
		"empty":              {nil, "not a GGUF file"},
		"something else":     {[]byte("<!DOCTYPE html>"), "not a GGUF file"},
		"magic only":         {[]byte("GGUF"), "ends inside of the header"},
		"version 1":          {(&builder{}).put([]byte("GGUF"), uint32(1)).Bytes(), "version 1"},
		"big-endian":         {(&builder{}).put([]byte("GGUF"), uint32(3)<<24).Bytes(), "big-endian"},
		"many tensors":       {header(1<<60, 0).Bytes(), "tells of 1152921504606846976 tensors"},
		"many entries":       {header(0, 1<<40).Bytes(), "metadata entries"},
		"long key":           {header(0, 1).put(uint64(1 << 62)).Bytes(), "ends inside"},
		"long string":        {entry(uint32(8), uint64(math.MaxUint64)), "ends inside"},
		"unknown type":       {entry(uint32(99)), "type 99"},
		"long array":         {entry(uint32(9), uint32(10), uint64(1<<61)), "elements of an array"},
		"array past the end": {entry(uint32(9), uint32(10), uint64(20)), "ends inside"},
		"nested arrays":      {entry(uint32(9), uint32(9), uint64(1), uint32(9), uint64(1), uint32(9), uint64(1), uint32(9), uint64(1), uint32(9), uint64(1)), "type 9"},
		"alignment":          {header(0, 1).put("general.alignment", uint32(4), uint32(0)).Bytes(), "general.alignment is 0"},
		"no dimensions":      {tensor(uint32(0)), "0 dimensions"},
		"overflow":           {tensor(uint32(3), uint64(1<<40), uint64(1<<40), uint64(2), uint32(0), uint64(0)), "too large for any file"},
		"half a block":       {tensor(uint32(1), uint64(33), uint32(2), uint64(0)), "no whole blocks of Q4_0"},
		"past the end":       {tensor(uint32(1), uint64(320), uint32(0), uint64(0)), "beyond the end of the file"},
		"far offset":         {tensor(uint32(1), uint64(1), uint32(0), uint64(math.MaxUint64)), "beyond any file"},
		"twice": {append(header(2, 0).put("t", uint32(1), uint64(1), uint32(0), uint64(0), "t", uint32(1), uint64(1), uint32(0), uint64(0)).Bytes(), make([]byte, 64)...),
			"there twice"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := read(bytes.NewReader(tt.data), int64(len(tt.data)))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the error is %v, want %q", err, tt.want)
			}
		})
	}
}

// Whatever a file holds, it is read or refused.
func TestDamaged(t *testing.T) {
	good := model()
	for n := range good {
		if _, err := read(bytes.NewReader(good[:n]), int64(n)); err == nil {
			t.Errorf("cut after %d of %d bytes: no error", n, len(good))
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		bad := slices.Clone(good)
		for range 1 + rng.IntN(4) {
			bad[rng.IntN(len(bad))] = byte(rng.Uint32())
		}
		read(bytes.NewReader(bad), int64(len(bad))) // must not panic
	}
}
