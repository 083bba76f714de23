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
	"github.com/zeebo/xxh3"

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

// reseal makes the checksums of header and directory right again after a change.
func reseal(b []byte, sections []Section) []byte {
	return append(encodeHeader(int64(len(b)), sections), b[headerSize:]...)
}

func TestRefused(t *testing.T) {
	good := testFile(t)
	r, err := openBytes(good)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(f func(b []byte) []byte) []byte { return f(bytes.Clone(good)) }
	section := func(name string) *Section {
		for i := range r.sections {
			if r.sections[i].Name == name {
				return &r.sections[i]
			}
		}
		panic(name)
	}
	withSections := func(f func([]Section) []Section) []byte {
		return reseal(bytes.Clone(good), f(slices.Clone(r.sections)))
	}
	for _, tt := range []struct {
		name string
		file []byte
		want error
		text string
	}{
		{"empty", nil, ErrNotModel, "m.stm"},
		{"text", []byte("hello, this is not a model at all"), ErrNotModel, ""},
		{"newer version", edit(func(b []byte) []byte { b[8] = 9; return b }), ErrVersion, "version 9"},
		{"unknown required section", withSections(func(s []Section) []Section {
			return append(s, Section{Name: "moon", Offset: int64(len(good)), flags: flagRequired})
		}), ErrVersion, "moon"},
		{"no directory", withSections(func(s []Section) []Section {
			return slices.DeleteFunc(s, func(s Section) bool { return s.Name == sectionDirectory })
		}), ErrCorrupt, "directory"},
		{"section twice", withSections(func(s []Section) []Section { return append(s, s[0]) }), ErrCorrupt, "twice"},
		{"overlapping sections", withSections(func(s []Section) []Section {
			return append(s, Section{Name: "notes", Offset: section(sectionDense).Offset, Length: 9})
		}), ErrCorrupt, "overlap"},
		{"section beyond the end", withSections(func(s []Section) []Section {
			return append(s, Section{Name: "notes", Offset: int64(len(good)) - 1, Length: 1 << 62})
		}), ErrCorrupt, "outside"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := openBytes(tt.file)
			if !errors.Is(err, tt.want) || !strings.Contains(fmt.Sprint(err), tt.text) {
				t.Errorf("error is %v, want %v that mentions %q", err, tt.want, tt.text)
			}
		})
	}
}

// What FORMAT.md says to be zero is, and flags that this program does not know are refused.
func TestReservedBytes(t *testing.T) {
	good := testFile(t)
	r, err := openBytes(good)
	if err != nil {
		t.Fatal(err)
	}
	directory, _ := r.section(sectionDirectory)
	record, tensor := directory.Offset+dirHeaderSize, directory.Offset+dirHeaderSize+int64(len(r.records))*recordSize
	var dense int64 // where the entry of that section is
	for i, s := range r.sections {
		if s.Name == sectionDense {
			dense = int64(fixedSize + i*sectionSize)
		}
	}
	for _, tt := range []struct {
		name string
		at   int64
		want error
	}{
		{"header", 32, ErrCorrupt},
		{"header, last", checksumAt - 1, ErrCorrupt},
		{"after the section table", int64(fixedSize + len(r.sections)*sectionSize), ErrCorrupt},
		{"end of the header", headerSize - 1, ErrCorrupt},
		{"section name", dense + 15, ErrCorrupt},
		{"section, 20", dense + 20, ErrCorrupt},
		{"section, 48", dense + 48, ErrCorrupt},
		{"section, 63", dense + 63, ErrCorrupt},
		{"section's checksum", dense + 40, ErrCorrupt},
		{"section's flags", dense + 17, ErrVersion},
		{"directory", directory.Offset + 12, ErrCorrupt},
		{"record", record + 16, ErrCorrupt},
		{"record, 23", record + recordSize + 23, ErrCorrupt},
		{"tensor", tensor + 56, ErrCorrupt},
		{"tensor's flags", tensor + 10, ErrVersion},
	} {
		b := bytes.Clone(good)
		b[tt.at] |= 0x40
		if _, err := openBytes(mend(b)); !errors.Is(err, tt.want) {
			t.Errorf("%s: byte %d is not zero: error is %v, want %v", tt.name, tt.at, err, tt.want)
		}
	}
	// A section without a checksum could be changed unnoticed.
	sections := slices.Clone(r.sections)
	sections[0].flags, sections[0].Checksum = flagRequired|flagRecords, 0
	if _, err := openBytes(reseal(bytes.Clone(good), sections)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a config without a checksum: error is %v, want ErrCorrupt", err)
	}
}

// mend makes the checksums of header and metadata sections right after a change.
func mend(b []byte) []byte {
	if len(b) < headerSize {
		return b
	}
	le.PutUint64(b[16:], uint64(len(b)))
	for e := b[fixedSize:headerSize]; len(e) >= sectionSize && e[0] != 0; e = e[sectionSize:] {
		offset, length := le.Uint64(e[24:]), le.Uint64(e[32:])
		if flags := le.Uint32(e[16:]); flags&flagRecords == 0 && offset <= uint64(len(b)) && length <= uint64(len(b))-offset {
			le.PutUint64(e[40:], xxh3.Hash(b[offset:][:length]))
		}
	}
	le.PutUint64(b[checksumAt:], headerChecksum(b[:headerSize]))
	return b
}

// A file of version 1 says no roles: they follow from the names of SmallThinker's checkpoints.
func TestVersion1(t *testing.T) {
	names := map[string]string{
		"norm": "model.norm.weight", "embed": "model.embed_tokens.weight",
		"gate": "model.layers.0.block_sparse_moe.experts.%d.gate.weight",
		"up":   "model.layers.0.block_sparse_moe.experts.%d.up.weight",
		"down": "model.layers.0.block_sparse_moe.experts.%d.down.weight",
	}
	records := testRecords()
	for i := range records {
		for j := range records[i].Tensors {
			tensor := &records[i].Tensors[j]
			tensor.Name = names[tensor.Name[strings.LastIndexByte(tensor.Name, '.')+1:]]
			if records[i].IsExpert() {
				tensor.Name = fmt.Sprintf(tensor.Name, records[i].Expert)
			}
		}
	}
	for _, name := range []string{"input_layernorm", "block_sparse_moe.primary_router", "self_attn.q_proj", "self_attn.k_proj",
		"self_attn.v_proj", "self_attn.o_proj", "post_attention_layernorm"} {
		records = slices.Insert(records, 2, Record{Layer: 0, Expert: -1, Tensors: []Tensor{
			{Name: "model.layers.0." + name + ".weight", Role: RoleQuery, Type: quant.F32, Vector: true, Rows: 1, Cols: 64, Stride: 256}}})
	}
	records = slices.Insert(records, 2, Record{Layer: -1, Expert: -1, Tensors: []Tensor{
		{Name: "model.layers.0.self_attn.q_proj.weight.not", Type: quant.F32, Vector: true, Rows: 1, Cols: 64, Stride: 256}}})
	dense, experts := Section{Offset: 0, Length: 1 << 30}, Section{Offset: 1 << 30, Length: 1 << 30}
	at := [2]int64{dense.Offset, experts.Offset}
	for i := range records {
		where := &at[0]
		if records[i].IsExpert() {
			where = &at[1]
		}
		records[i].Offset, records[i].Length = *where, 1<<16
		*where += 1 << 16
	}
	b := encodeDirectory(records)
	if _, err := decodeDirectory(b, 1, dense, experts); !errors.Is(err, ErrCorrupt) {
		t.Errorf("roles in a file of version 1: error is %v, want ErrCorrupt", err)
	}
	for e := b[dirHeaderSize+len(records)*recordSize:][:tensorSize*(len(records)+4)]; len(e) > 0; e = e[tensorSize:] {
		e[11] = 0
	}
	got, err := decodeDirectory(b, 1, dense, experts)
	if err != nil {
		t.Fatal(err)
	}
	roles := map[string]Role{}
	for i := range got {
		for _, tensor := range got[i].Tensors {
			roles[tensor.Name] = tensor.Role
		}
	}
	want := map[string]Role{
		"model.norm.weight": RoleFinalNorm, "model.embed_tokens.weight": RoleEmbedding,
		"model.layers.0.input_layernorm.weight":                 RoleAttnNorm,
		"model.layers.0.block_sparse_moe.primary_router.weight": RoleRouter,
		"model.layers.0.self_attn.q_proj.weight":                RoleQuery,
		"model.layers.0.self_attn.k_proj.weight":                RoleKey,
		"model.layers.0.self_attn.v_proj.weight":                RoleValue,
		"model.layers.0.self_attn.o_proj.weight":                RoleAttnOutput,
		"model.layers.0.post_attention_layernorm.weight":        RoleFFNNorm,
		"model.layers.0.self_attn.q_proj.weight.not":            RoleNone,
	}
	for e := range 2 {
		prefix := fmt.Sprintf("model.layers.0.block_sparse_moe.experts.%d.", e)
		want[prefix+"gate.weight"], want[prefix+"up.weight"], want[prefix+"down.weight"] = RoleGate, RoleUp, RoleDown
	}
	if d := cmp.Diff(want, roles); d != "" {
		t.Errorf("roles differ (-want +got):\n%s", d)
	}
}

// A reader skips an optional section that it does not know.
func TestUnknownSection(t *testing.T) {
	good := testFile(t)
	r, err := openBytes(good)
	if err != nil {
		t.Fatal(err)
	}
	extra := []byte("statistics of the future")
	b := append(bytes.Clone(good), extra...)
	b = reseal(b, append(slices.Clone(r.sections),
		Section{Name: "statistics", Offset: int64(len(good)), Length: int64(len(extra)), flags: flagRecords}))
	if _, err := openBytes(b); err != nil {
		t.Error(err)
	}
}

// Every change to a tensor's entry that would let it reach outside its record, or into another tensor, is refused.
func TestHostileDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.stm")
	for _, tt := range []struct {
		name string
		edit func(gate, up, down *Tensor)
	}{
		{"offset beyond the record", func(_, up, _ *Tensor) { up.Offset = 1 << 40 }},
		{"negative offset", func(_, up, _ *Tensor) { up.Offset = -8 }},
		{"huge stride", func(_, up, _ *Tensor) { up.Stride = 1 << 60 }},
		{"stride below a unit", func(gate, _, _ *Tensor) { gate.Stride = 64 }},
		{"scales inside the quants", func(_, up, _ *Tensor) { up.ScaleOffset = 3 }},
		{"scales beyond the record", func(_, up, _ *Tensor) { up.ScaleOffset = 1 << 40 }},
		{"more rows", func(gate, _, _ *Tensor) { gate.Rows = 1 << 40 }},
		{"rows·cols overflow", func(gate, _, _ *Tensor) { gate.Rows, gate.Cols = 1<<40, 1<<40 }},
		{"no rows", func(gate, _, _ *Tensor) { gate.Rows = 0 }},
		{"odd columns", func(gate, _, _ *Tensor) { gate.Cols = 33 }},
		{"unknown type", func(gate, _, _ *Tensor) { gate.Type = 99 }},
		{"unknown layout", func(gate, _, _ *Tensor) { gate.Layout = 99 }},
		{"groups of floats", func(_, up, _ *Tensor) { up.Type, up.Layout = quant.F16, Groups16 }},
		{"same bytes twice", func(_, up, down *Tensor) { down.Offset, down.ScaleOffset = up.Offset, up.ScaleOffset }},
		{"up over the gate", func(_, up, _ *Tensor) { up.Offset = 1000 }},
		{"unknown role", func(gate, _, _ *Tensor) { gate.Role = 200 }},
		{"same role", func(_, up, down *Tensor) { down.Role = up.Role }},
		{"a role of a layer", func(gate, _, _ *Tensor) { gate.Role = RoleRouter }},
		{"a role of no layer", func(gate, _, _ *Tensor) { gate.Role = RoleHead }},
		{"same name", func(_, up, down *Tensor) { down.Name = up.Name }},
		{"no name", func(_, up, _ *Tensor) { up.Name = "" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, err := Create(path, testMeta(), testRecords(), CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Abort()
			dense, experts := w.sections[5], w.sections[6]
			rec := &w.records[2]
			tt.edit(&rec.Tensors[0], &rec.Tensors[1], &rec.Tensors[2])
			_, err = decodeDirectory(encodeDirectory(w.records), Version, dense, experts)
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
				t.Errorf("error is %v, want ErrCorrupt or ErrVersion", err)
			}
		})
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

// Whatever the bytes, opening and verifying a file neither panics nor reads out of bounds.
func FuzzOpen(f *testing.F) {
	good := testFile(f)
	f.Add(good)
	f.Add(good[:headerSize])
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := openBytes(mend(bytes.Clone(b))) // what lies behind the checksums is to be reached
		if err != nil {
			return
		}
		for i := range r.Records() {
			rec := &r.Records()[i]
			buf := make([]byte, rec.Length)
			r.ReadRecord(rec, buf)
			for j := range rec.Tensors {
				tensor := &rec.Tensors[j]
				tensor.DecodeRow(make([]float32, tensor.Cols), buf, tensor.Rows-1)
			}
		}
	})
}

// The directory by itself: its checksum does not stand in the fuzzer's way.
func FuzzDirectory(f *testing.F) {
	r, err := openBytes(testFile(f))
	if err != nil {
		f.Fatal(err)
	}
	dense, _ := r.section(sectionDense)
	experts, _ := r.section(sectionExperts)
	f.Add(encodeDirectory(r.records))
	f.Fuzz(func(t *testing.T, b []byte) {
		records, err := decodeDirectory(b, Version, dense, experts)
		if err != nil {
			return
		}
		for i := range records {
			buf := make([]byte, records[i].Length)
			for j := range records[i].Tensors {
				tensor := &records[i].Tensors[j]
				for _, row := range []int{0, tensor.Rows - 1} {
					tensor.DecodeRow(make([]float32, tensor.Cols), buf, row)
				}
			}
		}
	})
}
