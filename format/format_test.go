package format

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	mmap "github.com/edsrzf/mmap-go"
	"github.com/google/go-cmp/cmp"

	"st/quant"
)

// testMeta describes a model of one layer with two experts.
func testMeta() Meta {
	temp, bos := 0.7, int32(1)
	return Meta{
		Config: Config{
			Architecture: "smallthinker", Layers: 1, Hidden: 64, Heads: 2, KVHeads: 1, HeadDim: 32, MoE: &MoE{Experts: 2, ExpertsPerToken: 1, ExpertFFN: 20},
			Vocab: 40, Context: 128, RMSNormEps: 1e-6, RoPETheta: 1e4,
			RoPELayout: []bool{true}, SlidingLayout: []bool{true}, SlidingWindow: 16, TiedEmbeddings: true,
		},
		Generation:   Generation{BOS: &bos, EOS: []int32{1, 2}, Temperature: &temp},
		Tokenizer:    []byte("not looked into by this package"),
		ChatTemplate: "{{ messages }}",
	}
}

var testProvenance = Provenance{Tool: "test", Sources: []SourceFile{{"model.bin", 7, "abc"}}}

// testRecords are a vector, a grouped matrix whose last group is not full, and experts with interleaved up and down.
func testRecords() []Record {
	dense := func(t Tensor) Record { return Record{Layer: -1, Expert: -1, Tensors: []Tensor{t}} }
	records := []Record{
		dense(Tensor{Name: "norm", Role: RoleFinalNorm, Type: quant.F32, Vector: true, Rows: 1, Cols: 64, Stride: 256}),
		dense(Tensor{Name: "embed", Role: RoleEmbedding, Type: quant.Q8_0, Layout: Groups16, Rows: 40, Cols: 64, Stride: 16 * 68}),
	}
	for e := range 2 {
		name := func(s string) string { return fmt.Sprintf("experts.%d.%s", e, s) }
		records = append(records, Record{Layer: 0, Expert: e, Tensors: []Tensor{
			{Name: name("gate"), Role: RoleGate, Type: quant.Q4_0, Layout: Groups16, Rows: 20, Cols: 64, Stride: 576},
			{Name: name("up"), Role: RoleUp, Type: quant.Q4_0, Rows: 20, Cols: 64, Offset: 1152, Stride: 128, ScaleOffset: 64},
			{Name: name("down"), Role: RoleDown, Type: quant.Q4_0, Rows: 20, Cols: 64, Offset: 1184, Stride: 128, ScaleOffset: 36, Transposed: true},
		}})
	}
	return records
}

// encodeRecord fills a record with the given weights, one slice a tensor.
func encodeRecord(r *Record, weights [][]float32) []byte {
	out := make([]byte, r.Length)
	for i := range r.Tensors {
		t := &r.Tensors[i]
		n := t.UnitRows() * t.Cols
		src := append(slices.Clone(weights[i]), make([]float32, t.Units()*n-len(weights[i]))...)
		for u := range t.Units() {
			t.EncodeUnits(out[t.Offset+int64(u)*t.Stride:], src[u*n:][:n], new(quant.Encoder), make([]byte, t.UnitBytes()))
		}
	}
	return out
}

// writeTest writes a file of random weights and returns them, by tensor name.
func writeTest(t testing.TB, path string) map[string][]float32 {
	t.Helper()
	w, err := Create(path, testMeta(), testRecords(), CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	rng := rand.New(rand.NewPCG(1, 1))
	all := map[string][]float32{}
	for i := range w.Records() {
		r := &w.Records()[i]
		var weights [][]float32
		for _, tensor := range r.Tensors {
			x := make([]float32, tensor.Params())
			for j := range x {
				x[j] = rng.Float32() - 0.5
			}
			all[tensor.Name] = x
			weights = append(weights, x)
		}
		data := encodeRecord(r, weights)
		for part := range slices.Chunk(data, 1000) { // pieces of any size
			if _, err := w.Write(part); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Commit(testProvenance); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.stm")
	want := writeTest(t, path)
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if d := cmp.Diff(testMeta(), r.Meta); d != "" {
		t.Errorf("metadata differs (-want +got):\n%s", d)
	}
	if r.Provenance.Tool != "test" || len(r.Provenance.Sources) != 1 {
		t.Errorf("provenance is %+v", r.Provenance)
	}
	data, err := r.Map()
	if err != nil {
		t.Fatal(err)
	}
	for name, role := range map[string]Role{"norm": RoleFinalNorm, "embed": RoleEmbedding} {
		if _, tensor, ok := r.Role(role, -1); !ok || tensor.Name != name {
			t.Errorf("%s: %+v, want %s", role, tensor, name)
		}
	}
	if rec, _ := r.Expert(0, 1); rec.Tensor(RoleUp) == nil || rec.Tensor(RoleUp).Name != "experts.1.up" || rec.Tensor(RoleQuery) != nil {
		t.Errorf("the roles of %s are wrong", rec)
	}
	if _, _, ok := r.Role(RoleUp, 0); ok {
		t.Error("an expert's tensor is found in the dense part")
	}
	for name, weights := range want {
		rec, tensor, ok := r.Lookup(name)
		if !ok {
			t.Fatalf("tensor %s is missing", name)
		}
		if rec.IsExpert() && (rec.Offset%Alignment != 0 || rec.Length%Alignment != 0) {
			t.Errorf("%s is at %d, %d long: not aligned to pages", rec, rec.Offset, rec.Length)
		}
		buf := make([]byte, rec.Length)
		if err := r.ReadRecord(rec, buf); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(buf, data[rec.Offset:][:rec.Length]) {
			t.Errorf("%s: what is read differs from what is mapped", rec)
		}
		got := make([]float32, tensor.Cols)
		for row := range tensor.Rows {
			tensor.DecodeRow(got, buf, row)
			for c, v := range got {
				if d := v - weights[row*tensor.Cols+c]; max(d, -d) > 0.07 { // half a step of Q4_0
					t.Fatalf("%s [%d, %d] is %g, want %g", name, row, c, v, weights[row*tensor.Cols+c])
				}
			}
		}
	}
	if errs := r.Verify(t.Context(), 2, nil); len(errs) > 0 {
		t.Errorf("Verify: %v", errs)
	}
	if _, tensor, _ := r.Lookup("experts.0.down"); !slices.Equal(tensor.Shape(), []int{64, 20}) {
		t.Errorf("down has shape %v in the checkpoint, want [64 20]", tensor.Shape())
	}
}

// A file that cannot be mapped so that others see it is mapped for this process alone, and one that cannot be mapped says so.
func TestMap(t *testing.T) {
	refuse := func(*os.File) (mmap.MMap, error) { return nil, syscall.ENODEV }
	old := mapFuncs
	defer func() { mapFuncs = old }()
	for _, tt := range []struct {
		name string
		try  []func(*os.File) (mmap.MMap, error)
		ok   bool
	}{
		{"shared", old, true},
		{"private", []func(*os.File) (mmap.MMap, error){refuse, mapPrivate}, runtime.GOOS != "windows"},
		{"refused", []func(*os.File) (mmap.MMap, error){refuse, refuse}, false},
	} {
		mapFuncs = tt.try
		r := openTest(t)
		data, err := r.Map()
		if want, _ := os.ReadFile(r.Path()); tt.ok && (err != nil || !bytes.Equal(data, want)) {
			t.Errorf("%s: %d bytes, %v", tt.name, len(data), err)
		}
		if !tt.ok && (!errors.Is(err, ErrCannotMap) || !errors.Is(err, syscall.ENODEV) || !strings.Contains(err.Error(), r.Path())) {
			t.Errorf("%s: error is %v", tt.name, err)
		}
	}
	r, err := openBytes(testFile(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Map(); !errors.Is(err, ErrCannotMap) {
		t.Errorf("in memory: error is %v", err)
	}
}

// memFile is a File in memory.
type memFile struct{ *bytes.Reader }

func (memFile) Close() error           { return nil }
func (m memFile) Size() (int64, error) { return m.Reader.Size(), nil }

func openBytes(b []byte) (*Reader, error) { return NewReader(memFile{bytes.NewReader(b)}, "m.stm") }

func testFile(t testing.TB) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.stm")
	writeTest(t, path)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// No byte of a file can change unnoticed: a flip is found at open, or by Verify, and named.
func TestFlippedByte(t *testing.T) {
	good := testFile(t)
	r, err := openBytes(good)
	if err != nil {
		t.Fatal(err)
	}
	recordOf := func(at int) *Record {
		for i := range r.Records() {
			if rec := &r.Records()[i]; int64(at) >= rec.Offset && int64(at) < rec.Offset+rec.Length {
				return rec
			}
		}
		return nil
	}
	bad := bytes.Clone(good)
	for at := range good {
		bad[at] ^= 0x10
		if at > 0 {
			bad[at-1] ^= 0x10
		}
		f, err := openBytes(bad)
		if err != nil {
			continue
		}
		errs := f.Verify(context.Background(), 1, nil)
		rec, want := recordOf(at), ErrCorrupt
		if usage, _ := f.section(sectionUsage); int64(at) >= usage.Offset && int64(at) < usage.end() {
			want = ErrUsage
		}
		switch {
		case len(errs) != 1 || !errors.Is(errs[0], want):
			t.Fatalf("byte %d: Verify returns %v, want one %v", at, errs, want)
		case rec != nil && !strings.Contains(errs[0].Error(), rec.String()):
			t.Fatalf("byte %d: %v, want it to name %s", at, errs[0], rec)
		case rec != nil && f.ReadRecord(rec, make([]byte, rec.Length)) == nil:
			t.Fatalf("byte %d: ReadRecord returns no error", at)
		}
	}
}

func TestTruncated(t *testing.T) {
	good := testFile(t)
	for n := 0; n < len(good); n += 97 {
		_, err := openBytes(good[:n])
		if err == nil {
			t.Fatalf("%d bytes of %d: no error", n, len(good))
		}
		if n > 0 && !errors.Is(err, ErrTruncated) {
			t.Fatalf("%d bytes of %d: %v, want ErrTruncated", n, len(good), err)
		}
	}
	if _, err := openBytes(append(bytes.Clone(good), 0)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("one byte too many: %v, want ErrCorrupt", err)
	}
}

// fullDisk fails writes beyond a number of bytes.
type fullDisk struct {
	*os.File
	room int64
}

func (f *fullDisk) WriteAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) > f.room {
		return 0, &os.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
	}
	return f.File.WriteAt(p, at)
}

// Whatever goes wrong, the directory is left as it was.
func TestNothingLeftBehind(t *testing.T) {
	size := int64(len(testFile(t)))
	for _, room := range []int64{0, 5000, size / 2, size - 1} {
		dir := t.TempDir()
		path := filepath.Join(dir, "m.stm")
		w, err := Create(path, testMeta(), testRecords(), CreateOptions{Create: func(name string) (OutFile, error) {
			f, err := os.OpenFile(name, os.O_WRONLY, 0)
			return &fullDisk{f, room}, err
		}})
		if err == nil {
			_, err = w.Write(make([]byte, w.DataBytes()))
			if err == nil {
				err = w.Commit(testProvenance)
			}
			w.Abort()
		}
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(fmt.Sprint(err), path) {
			t.Errorf("room for %d bytes: error is %v, want ENOSPC that names %s", room, err, path)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("room for %d bytes: %s is left behind", room, left[0].Name())
		}
	}
}

func TestCreateRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.stm")
	writeTest(t, path)
	before, _ := os.ReadFile(path)
	for _, tt := range []struct {
		path, want string
		force      bool
	}{
		{path, "m.stm exists", false},
		{dir, "is a directory", true},
		{filepath.Join(dir, "no", "m.stm"), "no such file", false},
	} {
		if _, err := Create(tt.path, testMeta(), testRecords(), CreateOptions{Force: tt.force}); !strings.Contains(fmt.Sprint(err), tt.want) {
			t.Errorf("Create(%s): error is %v, want one that says %q", tt.path, err, tt.want)
		}
	}
	// An incomplete file is not committed, and replaces nothing.
	w, err := Create(path, testMeta(), testRecords(), CreateOptions{Force: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(Provenance{}); !strings.Contains(fmt.Sprint(err), "incomplete") {
		t.Errorf("Commit of an empty file: %v", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the file that was there has changed")
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("%d files are left behind", len(left)-1)
	}
}

func TestConfigValidate(t *testing.T) {
	for _, tt := range []struct {
		want string
		edit func(c *Config)
	}{
		{"layers is 0", func(c *Config) { c.Layers = 0 }},
		{"hidden_size is -1", func(c *Config) { c.Hidden = -1 }},
		{"experts_per_token is 3", func(c *Config) { c.MoE.ExpertsPerToken = 3 }},
		{"multiple of key_value_heads", func(c *Config) { c.Heads, c.KVHeads = 3, 2 }},
		{"rope_layout has 2 entries", func(c *Config) { c.RoPELayout = make([]bool, 2) }},
		{"sliding_window_layout has 0", func(c *Config) { c.SlidingLayout = nil }},
		{"sliding_window_size is 0", func(c *Config) { c.SlidingWindow = 0 }},
		{"must be even", func(c *Config) { c.HeadDim = 33 }},
		{"rope_theta is 1e+39: it must be above 0, and at most 3.4e+38", func(c *Config) { c.RoPETheta = 1e39 }},
		{"unknown to this program", func(c *Config) { c.RoPEScaling = &RoPEScaling{Type: "ntk"} }},
		{"beta_slow 4 and beta_fast 1", func(c *Config) {
			c.RoPEScaling = &RoPEScaling{Type: Llama3, Factor: 8, OriginalContext: 64, BetaSlow: 4, BetaFast: 1, AttentionFactor: 1}
		}},
		{"rope_theta is 0", func(c *Config) { c.RoPETheta = 0 }},
		{"vocab_size is 1099511627776", func(c *Config) { c.Vocab = 1 << 40 }},
		{"rms_norm_eps is -1", func(c *Config) { c.RMSNormEps = -1 }},
	} {
		c := testMeta().Config
		tt.edit(&c)
		if err := c.Validate(); !strings.Contains(fmt.Sprint(err), tt.want) {
			t.Errorf("error is %v, want one that says %q", err, tt.want)
		}
	}
}
