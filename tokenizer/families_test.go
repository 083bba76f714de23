package tokenizer

import (
	"bufio"
	"bytes"
	"encoding/json"
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
