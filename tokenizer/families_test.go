package tokenizer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// families are small tokenizers of the kinds that model families publish.
var families = []string{"gemma", "llama2", "llama3", "o200k", "deepseek", "phi4"}

func family(tb testing.TB, name string) *Tokenizer {
	tb.Helper()
	tok, err := ParseHF(readFile(tb, "tokenizers/"+name+"/tokenizer.json"), nil)
	if err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	return tok
}

// familyVector is a text with what the tokenizers library makes of it.
type familyVector struct {
	Text    string  `json:"text"`
	IDs     []int32 `json:"ids"`
	Special []int32 `json:"ids_special"`
	Decoded string  `json:"decoded"`
}

func familyVectors(tb testing.TB, name string) []familyVector {
	tb.Helper()
	var vectors []familyVector
	lines := bufio.NewScanner(bytes.NewReader(readFile(tb, "tokenizers/"+name+"/vectors.jsonl")))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var v familyVector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			tb.Fatalf("%s: %v in %.80q", name, err, lines.Bytes())
		}
		vectors = append(vectors, v)
	}
	return vectors
}

// TestFamilies holds each kind, as parsed and as loaded from its section,
// against the tokenizers library.
func TestFamilies(t *testing.T) {
	for _, name := range families {
		t.Run(name, func(t *testing.T) {
			vectors := familyVectors(t, name)
			if len(vectors) < 100 {
				t.Fatalf("only %d vectors", len(vectors))
			}
			parsed := family(t, name)
			section, _ := parsed.MarshalBinary()
			loaded, err := Load(section)
			if err != nil {
				t.Fatal(err)
			}
			for how, tok := range map[string]*Tokenizer{"parsed": parsed, "loaded": loaded} {
				for _, v := range vectors {
					if got := tok.Encode(v.Text, true); !slices.Equal(got, v.IDs) {
						t.Errorf("%s: Encode(%.100q) differs (-want +got):\n%s", how, v.Text, cmp.Diff(v.IDs, got))
					}
					got := tok.EncodeOptions(v.Text, EncodeOptions{ParseSpecial: true, AddSpecial: true})
					if !slices.Equal(got, v.Special) {
						t.Errorf("%s: with special tokens, %.100q: %v, want %v", how, v.Text, got, v.Special)
					}
					if got := tok.Decode(v.IDs, false); got != v.Decoded {
						t.Errorf("%s: Decode of %.100q = %.100q, want %.100q", how, v.Text, got, v.Decoded)
					}
					if got := stream(tok, v.IDs, false); got != v.Decoded {
						t.Errorf("%s: streamed decode of %.100q = %.100q, want %.100q", how, v.Text, got, v.Decoded)
					}
				}
			}
		})
	}
}

// TestText: what a token adds to a text, in every way of writing it.
func TestText(t *testing.T) {
	for _, test := range []struct{ family, token, want string }{
		{"llama2", "▁the", " the"},
		{"llama2", "<0xE2>", "\xe2"},
		{"llama2", "</s>", "</s>"},
		{"gemma", "e▁", "e "},
		{"o200k", " the", " the"},
		{"o200k", "\xe2", "\xe2"},
	} {
		tok := family(t, test.family)
		id, ok := tok.ID(test.token)
		if got := tok.Text(id); !ok || got != test.want {
			t.Errorf("%s: %q, %v adds %q, want %q", test.family, test.token, ok, got, test.want)
		}
	}
	if got := qwen(t).Text(-1); got != "" {
		t.Errorf("no token adds %q", got)
	}
}

// TestStreamContinues: within a text ▁ at the beginning of what is decoded is a space, too.
func TestStreamContinues(t *testing.T) {
	for _, test := range []struct{ family, after, token, want string }{
		{"llama2", "▁the", "▁a", " a"},
		{"llama2", "<0xE2>", "▁a", " a"},
		{"llama2", "<s>", "▁a", "a"},
		{"llama2", "▁", "▁a", "a"},
		{"llama2", "<0x0A>", "▁a", "a"},
		{"gemma", "a", "▁a", " a"},
		{"gemma", "<bos>", "▁a", " a"},
		{"o200k", "a", " a", " a"},
	} {
		tok := family(t, test.family)
		after, ok := tok.ID(test.after)
		id, ok2 := tok.ID(test.token)
		d := tok.NewDecoder(true)
		d.Continue(after)
		if got := d.Next(id) + d.Flush(); !ok || !ok2 || got != test.want {
			t.Errorf("%s: after %q %q is %q, want %q", test.family, test.after, test.token, got, test.want)
		}
		if got, want := d.Next(id)+d.Flush(), tok.Decode([]int32{id}, true); got != want {
			t.Errorf("%s: a decoder that is as new makes %q of %q, want %q", test.family, got, test.token, want)
		}
	}
	// A stage that holds a token until the next comes.
	file := smallFile()
	file["decoder"] = object{"type": "BPEDecoder", "suffix": "o"}
	tok := smallTokenizer(t, file)
	d := tok.NewDecoder(true)
	d.Continue('a')
	if got := d.Next(259) + d.Next('b') + d.Flush(); got != "hell b" || tok.Text(259) != "hell" {
		t.Errorf("BPEDecoder: %q, and a token adds %q", got, tok.Text(259))
	}
}

func TestKind(t *testing.T) {
	for name, want := range map[string]string{
		"llama2": "BPE with byte fallback", "gemma": "BPE with byte fallback", "o200k": "byte-level BPE", "phi4": "byte-level BPE",
	} {
		if got := family(t, name).Kind(); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestStreamCharacters: pieces are whole characters, and spaces at the
// beginning follow the rule of the whole.
func TestStreamCharacters(t *testing.T) {
	tok := family(t, "llama2")
	ids := tok.Encode("the 🦙 the", true)
	d := tok.NewDecoder(true)
	var pieces []string
	for _, id := range ids {
		if p := d.Next(id); p != "" {
			pieces = append(pieces, p)
		}
	}
	if p := d.Flush(); p != "" {
		pieces = append(pieces, p)
	}
	if diff := cmp.Diff([]string{"the", " ", "🦙 the"}, pieces); diff != "" {
		t.Error(diff)
	}
	// A run of bytes is text at its end alone: another byte would undo it.
	d.Next(ids[0])
	for _, b := range []byte("é\xff") {
		id, _ := tok.ID(fmt.Sprintf("<0x%02X>", b))
		if got := d.Next(id); got != "" {
			t.Errorf("byte %#x gives %q", b, got)
		}
	}
	if got := d.Flush(); got != "\ufffd\ufffd\ufffd" {
		t.Errorf("at the end: %q", got)
	}
}
