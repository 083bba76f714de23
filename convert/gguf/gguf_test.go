package gguf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
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

func start(tensors, entries uint64) *builder {
	b := &builder{}
	b.WriteString("GGUF")
	return b.put(uint32(3), tensors, entries)
}

// model is a small sound file.
func model() []byte {
	b := start(2, 6).
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

// parse opens a file that lies in memory.
func parse(data []byte) (*File, error) {
	s, err := newShard("m.gguf", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	return newFile([]*shard{s})
}

func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.gguf")
	if err := os.WriteFile(path, model(), 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Version != 3 || f.Alignment != 64 || len(f.Tensors) != 2 || !slices.Equal(f.Paths(), []string{path}) {
		t.Errorf("%+v", f)
	}
	w, ok := f.Lookup("w")
	if !ok || w != f.Tensors[0] || !slices.Equal(w.Shape, []int{3, 64}) || w.Type != Q4_0 || w.Bytes() != 3*2*18 || w.Rows() != 3 || w.Cols() != 64 ||
		w.Offset() != int64(len(model()))-128-20 || w.File() != path {
		t.Errorf("%+v", w)
	}
	var got []string
	for _, e := range f.Metadata {
		got = append(got, e.Key+" "+e.Type()+" "+e.Text())
	}
	want := []string{"general.architecture string smallthinker", "block_count uint32 2", "eps float32 1e-06", "layout array of bool 2 elements",
		"tokens array of string 2 elements", "general.alignment uint32 64"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if value, _ := f.Metadata.Lookup("layout"); !slices.Equal(value.([]bool), []bool{true, false}) {
		t.Errorf("layout is %v", value)
	}
}

func TestMalformed(t *testing.T) {
	entry := func(values ...any) []byte { return start(0, 1).put("k").put(values...).Bytes() }
	tensor := func(values ...any) []byte {
		return append(start(1, 0).put("t").put(values...).Bytes(), make([]byte, 64)...)
	}
	two := func(values ...any) []byte { return append(start(2, 0).put(values...).Bytes(), make([]byte, 256)...) }
	nested := []any{uint32(9)}
	for range 5 {
		nested = append(nested, uint32(9), uint64(1))
	}
	for name, tt := range map[string]struct {
		data []byte
		want string
	}{
		"empty":                {nil, "it is empty"},
		"a pointer":            {[]byte("version https://git-lfs.github.com/spec/v1\noid sha256:"), "Git LFS pointer"},
		"a Xet pointer":        {[]byte("# xet version 0\nfilesize = 7\n"), ": a Xet pointer, not the file itself"},
		"a web page":           {[]byte("<!DOCTYPE html>"), "web page"},
		"something else":       {[]byte("PK\x03\x04"), "not a GGUF file"},
		"magic only":           {[]byte("GGUF"), "ends inside of the header"},
		"version 1":            {(&builder{}).put([]byte("GGUF"), uint32(1)).Bytes(), "version 1 of GGUF"},
		"version 4":            {(&builder{}).put([]byte("GGUF"), uint32(4)).Bytes(), "version 4 of GGUF"},
		"big-endian":           {(&builder{}).put([]byte("GGUF"), uint32(3)<<24).Bytes(), "big-endian"},
		"many tensors":         {start(1<<60, 0).Bytes(), "tells of 1152921504606846976 tensors"},
		"more than fit":        {start(1<<20, 0).Bytes(), "ends inside of the header"},
		"many entries":         {start(0, 1<<40).Bytes(), "1099511627776 metadata entries"},
		"long key":             {start(0, 1).put(uint64(1 << 62)).Bytes(), "ends inside"},
		"a key of 70000 bytes": {start(0, 1).put(strings.Repeat("k", 70000)).Bytes(), "the key is 70000 bytes long"},
		"no key":               {start(0, 1).put("", uint32(7), false).Bytes(), "the key is empty"},
		"key twice":            {start(0, 2).put("k", uint32(7), true, "k", uint32(7), true).Bytes(), `metadata entry 1 ("k"): it is there twice`},
		"long string":          {entry(uint32(8), uint64(math.MaxUint64)), "ends inside"},
		"unknown type":         {entry(uint32(99)), "type 99"},
		"long array":           {entry(uint32(9), uint32(10), uint64(1<<61)), "2305843009213693952 elements in an array"},
		"array past the end":   {entry(uint32(9), uint32(10), uint64(20)), "ends inside"},
		"texts past the end":   {entry(uint32(9), uint32(8), uint64(1<<20)), "ends inside"},
		"array of nothing":     {entry(uint32(9), uint32(77), uint64(0)), "its elements have type 77"},
		"nested arrays":        {append(entry(nested...), make([]byte, 64)...), "nested more than 4 deep"},
		"no alignment":         {start(0, 1).put("general.alignment", uint32(4), uint32(0)).Bytes(), "general.alignment is 0"},
		"an odd alignment":     {start(0, 1).put("general.alignment", uint32(4), uint32(48)).Bytes(), "general.alignment is 48"},
		"alignment in words":   {start(0, 1).put("general.alignment", uint32(8), "32").Bytes(), `general.alignment is "32"`},
		"no dimensions":        {tensor(uint32(0)), "0 dimensions"},
		"five dimensions":      {tensor(uint32(5)), "5 dimensions"},
		"billions":             {tensor(uint32(4e9)), "4000000000 dimensions"},
		"a dimension of 0":     {tensor(uint32(2), uint64(8), uint64(0), uint32(0), uint64(0)), "a dimension of 0"},
		"overflow":             {tensor(uint32(3), uint64(1<<40), uint64(1<<40), uint64(2), uint32(0), uint64(0)), "too large for any file"},
		"overflow in bytes":    {tensor(uint32(2), uint64(1<<31), uint64(1<<30), uint32(0), uint64(0)), "too large for any file"},
		"negative":             {tensor(uint32(1), uint64(math.MaxUint64), uint32(0), uint64(0)), "too large for any file"},
		"half a block":         {tensor(uint32(1), uint64(33), uint32(2), uint64(0)), "no whole blocks of Q4_0"},
		"past the end":         {tensor(uint32(1), uint64(320), uint32(0), uint64(0)), "beyond the end of the file"},
		"offset past the end":  {tensor(uint32(1), uint64(1), uint32(0), uint64(1<<20)), "beyond the end of the file"},
		"far offset":           {tensor(uint32(1), uint64(1), uint32(0), uint64(math.MaxUint64)), "beyond any file"},
		"unaligned":            {tensor(uint32(1), uint64(1), uint32(0), uint64(4)), "offset 4 is no multiple of the alignment, 32"},
		"overlap":              {two("a", uint32(1), uint64(16), uint32(0), uint64(0), "b", uint32(1), uint64(1), uint32(0), uint64(32)), `tensors "a" and "b" overlap`},
		"tensor twice":         {two("t", uint32(1), uint64(1), uint32(0), uint64(0), "t", uint32(1), uint64(1), uint32(0), uint64(32)), "there twice"},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := parse(tt.data)
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "m.gguf: ") {
				t.Errorf("the error is %v, want %q", err, tt.want)
			}
			if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(64<<10+8*len(tt.data)); got > limit {
				t.Errorf("%d bytes were allocated for a file of %d", got, len(tt.data))
			}
		})
	}
}

// Whatever a file holds, it is read or refused.
func TestDamaged(t *testing.T) {
	good := model()
	for n := range good {
		if _, err := parse(good[:n]); err == nil {
			t.Errorf("cut after %d of %d bytes: no error", n, len(good))
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		bad := slices.Clone(good)
		for range 1 + rng.IntN(4) {
			bad[rng.IntN(len(bad))] = byte(rng.Uint32())
		}
		if f, err := parse(bad); err == nil {
			readAll(t, f)
		}
	}
}

// readAll reads every tensor of a file.
func readAll(t *testing.T, f *File) {
	for _, w := range f.Tensors {
		if w.Bytes() > 1<<20 {
			t.Fatalf("tensor %q has %d bytes", w.Name, w.Bytes())
		}
		if !w.Type.Decodable() {
			if err := w.ReadRows(t.Context(), nil, 0, 0); !errors.Is(err, ErrType) {
				t.Errorf("tensor %q of %s: %v", w.Name, w.Type, err)
			}
			continue
		}
		if err := w.ReadRows(t.Context(), make([]float32, w.Rows()*w.Cols()), 0, w.Rows()); err != nil {
			t.Error(err)
		}
		if err := w.ReadBlocks(t.Context(), make([]byte, w.Bytes()), 0, w.Rows()); err != nil {
			t.Error(err)
		}
	}
}
