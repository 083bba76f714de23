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
	for _, tok := range []*Tokenizer{qwen(t), parseModel(t, "tiny-smallthinker"), smallTokenizer(t, smallFile())} {
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
