package tokenizer

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestSectionRoundTrip(t *testing.T) {
	toks := []*Tokenizer{qwen(t), parseModel(t, "tiny-smallthinker"), smallTokenizer(t, smallFile()), smallTokenizer(t, generalFile())}
	for _, name := range families {
		toks = append(toks, family(t, name))
	}
	for _, tok := range toks {
		section, err := tok.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		loaded, err := Load(section)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tok.spec, loaded.spec, cmp.AllowUnexported(spec{}, merge{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("loaded differs (-want +got):\n%s", diff)
		}
		again, err := loaded.AppendBinary([]byte("before"))
		if err != nil || !bytes.Equal(again, append([]byte("before"), section...)) {
			t.Errorf("the section of the loaded tokenizer differs (error %v)", err)
		}
	}
}

// TestLoadRefuses: a section that is not right in every field is an error.
func TestLoadRefuses(t *testing.T) {
	section, _ := smallTokenizer(t, smallFile()).MarshalBinary()
	le := binary.LittleEndian
	tokens := int(le.Uint32(section[12:]))
	merges := headerSize + 2*tokens + int(le.Uint32(section[16:]))
	added := merges + 12*int(le.Uint32(section[20:]))
	put32 := func(at int, x uint32) func([]byte) []byte {
		return func(b []byte) []byte { le.PutUint32(b[at:], x); return b }
	}
	put8 := func(at int, x byte) func([]byte) []byte {
		return func(b []byte) []byte { b[at] = x; return b }
	}
	for _, test := range []struct {
		name   string
		change func([]byte) []byte
		want   string
	}{
		{"magic", put8(0, 'X'), `not "STTK"`},
		{"version", put32(4, 3), "has version 3; this program reads versions 1 and 2"},
		{"normalizer", put8(8, 9), "unknown normalizer, 9"},
		{"splitter", put8(9, 0), "unknown splitter, 0"},
		{"flags", put8(10, 0x80), "unknown flags"},
		{"reserved", put8(11, 1), "unknown flags"},
		{"huge token count", put32(12, 1<<32-1), "truncated"},
		{"huge text", put32(16, 1<<32-1), "truncated"},
		{"huge merge count", put32(20, 1<<32-1), "truncated"},
		{"huge added count", put32(24, 1<<32-1), "truncated"},
		{"one token fewer", put32(12, uint32(tokens-1)), ""},
		{"less text", put32(16, 5), "exceed"},
		{"bos", put32(28, 1<<20), "bos token id 1048576 is not in the vocabulary"},
		{"negative eos", put32(32, 1<<32-2), "eos token id -2"},
		{"merge of nothing", put32(merges, 1<<30), "merge 0"},
		{"merge to another", put32(merges+8, 0), "merge 0"},
		{"added id", put32(added, 1<<30), "is not in 0..4194303"},
		{"added flags", put8(added+4, 0xFF), "unknown flags"},
		{"added length", put8(added+7, 0xFF), "truncated"},
		{"double token", put8(headerSize+2*tokens, 1), "are the same"},
		{"one byte more", func(b []byte) []byte { return append(b, 0) }, "1 bytes too many"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Load(test.change(bytes.Clone(section)))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q in it", err, test.want)
			}
		})
	}
	for n := range section {
		if _, err := Load(section[:n]); err == nil {
			t.Errorf("the first %d of %d bytes load", n, len(section))
		}
	}
}

// generalFile returns a tokenizer.json that takes version 2 of the section,
// with a component of each kind.
func generalFile() object {
	file := smallFile()
	file["normalizer"] = object{"type": "Sequence", "normalizers": []object{
		{"type": "Replace", "pattern": object{"Regex": `\s+`}, "content": " "}, {"type": "Strip", "strip_left": true, "strip_right": false},
	}}
	file["pre_tokenizer"] = object{"type": "Sequence", "pretokenizers": []object{
		{"type": "Digits", "individual_digits": true},
		{"type": "Metaspace", "replacement": "_", "prepend_scheme": "first", "split": false},
		{"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
	}}
	file["decoder"] = object{"type": "Sequence", "decoders": []object{
		{"type": "ByteLevel"}, {"type": "Replace", "pattern": object{"String": "_"}, "content": " "}, {"type": "Strip", "content": " ", "start": 1, "stop": 0},
	}}
	file["post_processor"] = object{"type": "RobertaProcessing", "cls": []any{"<s>", 300}, "sep": []any{"<s>", 300}}
	return file
}

// TestSectionVersions: what version 1 can hold is written in it.
func TestSectionVersions(t *testing.T) {
	for name, want := range map[string]uint32{"llama3": 1, "phi4": 1, "o200k": 2, "deepseek": 2, "llama2": 2, "gemma": 2} {
		section, _ := family(t, name).MarshalBinary()
		if got := binary.LittleEndian.Uint32(section[4:]); got != want {
			t.Errorf("%s: version %d, want %d", name, got, want)
		}
	}
}

// TestSectionOfBefore: a section that version 1 of this program wrote loads.
func TestSectionOfBefore(t *testing.T) {
	tok, err := Load(readFile(t, "tokenizers/section-v1.bin"))
	if err != nil {
		t.Fatal(err)
	}
	want := parseModel(t, "tiny-smallthinker")
	for _, v := range readVectors(t, "tiny-smallthinker/tokenizer_vectors.jsonl")[:50] {
		if got := tok.Encode(v.Text, true); cmp.Diff(append([]int32{}, got...), v.IDs) != "" {
			t.Errorf("Encode(%.80q) = %v, want %v", v.Text, got, v.IDs)
		}
	}
	section, _ := want.MarshalBinary()
	if !bytes.Equal(section, readFile(t, "tokenizers/section-v1.bin")) {
		t.Error("the section is not written as before")
	}
}

// TestLoadRefusesPipelines: what a section says that this program does not
// know, or that cannot be, is an error that names it.
func TestLoadRefusesPipelines(t *testing.T) {
	section, _ := smallTokenizer(t, generalFile()).MarshalBinary()
	le := binary.LittleEndian
	n := int(le.Uint32(section[8:]))
	for _, test := range []struct{ name, old, new, want string }{
		{"a field", `"normalizers"`, `"denormalizers"`, `unknown field "denormalizers"`},
		{"a field of a component", `"strip_left"`, `"strip_top"`, `unknown field "strip_top"`},
		{"an option", `"model":{`, `"model":{"dropout":1`, `unknown field "dropout"`},
		{"a normalizer", `"Strip"`, `"Precompiled"`, `normalizer: not supported: type "Precompiled"`},
		{"a pre-tokenizer", `"Digits"`, `"Bytes"`, `pre_tokenizer: not supported: type "Bytes"`},
		{"a decoder", `{"type":"ByteLevel"},{"type":"Replace"`, `{"type":"CTC"},{"type":"Replace"`, `decoder: not supported: type "CTC"`},
		{"an expression", `\\s+`, `(a)\\1`, `regular expression: not supported: \1`},
		{"a vocabulary of bytes", `"model":{`, `"model":{"bytes":true`, "a vocabulary of bytes with these components"},
		{"the unknown token", `"model":{`, `"model":{"unk_id":9999`, "unknown token id 9999"},
		{"an id of the post-processor", `[300]`, `[77777]`, "post-processor token id 77777"},
		{"a negative id", `[300]`, `[-1]`, "the post-processor adds token id -1"},
		{"something after", `"after":[300]}`, `"after":[300]}{}`, "something after its components"},
		{"no JSON", `{"normalizers"`, `["normalizers"`, "cannot read"},
	} {
		t.Run(test.name, func(t *testing.T) {
			changed := strings.Replace(string(section[headerSize:headerSize+n]), test.old, test.new, 1)
			if changed == string(section[headerSize:headerSize+n]) {
				t.Fatalf("%s is not in %s", test.old, changed)
			}
			data := append(bytes.Clone(section[:headerSize]), changed...)
			le.PutUint32(data[8:], uint32(len(changed)))
			_, err := Load(append(data, section[headerSize+n:]...))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q in it", err, test.want)
			}
		})
	}
	for n := range section {
		if _, err := Load(section[:n]); err == nil {
			t.Errorf("the first %d of %d bytes load", n, len(section))
		}
	}
}
