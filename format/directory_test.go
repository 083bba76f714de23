package format

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zeebo/xxh3"

	"st/quant"
)

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
		{"gguf", []byte("GGUF\x03\x00\x00\x00 and so on"), ErrGGUF, "m.stm"},
		{"pointer", []byte("version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 5\n"), ErrPointer, "m.stm"},
		{"Xet pointer", []byte("# xet version 0\nfilesize = 5\nhash = 'aa'\n"), ErrXetPointer, "m.stm"},
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
