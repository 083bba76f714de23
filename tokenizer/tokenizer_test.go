package tokenizer

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const testdata = "../testdata/"

// readFile returns a test file, decompressed if only a .gz of it is there.
func readFile(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join(testdata, name))
	if err == nil {
		return data
	}
	f, err := os.Open(filepath.Join(testdata, name+".gz"))
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	data, err = io.ReadAll(z)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func parseModel(tb testing.TB, dir string) *Tokenizer {
	tb.Helper()
	tok, err := ParseHF(readFile(tb, dir+"/tokenizer.json"), readFile(tb, dir+"/tokenizer_config.json"))
	if err != nil {
		tb.Fatal(err)
	}
	return tok
}

var qwenOnce struct {
	sync.Once
	tok *Tokenizer
}

// qwen returns the tokenizer of Qwen3, which SmallThinker models use.
func qwen(tb testing.TB) *Tokenizer {
	tb.Helper()
	qwenOnce.Do(func() { qwenOnce.tok = parseModel(tb, "qwen-tokenizer") })
	if qwenOnce.tok == nil {
		tb.Skip("the tokenizer could not be read")
	}
	return qwenOnce.tok
}

// vector is a text with what the tokenizers library makes of it.
type vector struct {
	Text    string  `json:"text"`
	IDs     []int32 `json:"ids"`
	Decoded string  `json:"decoded"`
}

func readVectors(tb testing.TB, name string) []vector {
	tb.Helper()
	var vectors []vector
	lines := bufio.NewScanner(bytes.NewReader(readFile(tb, name)))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			continue // the file of tiny-smallthinker has a few lines cut at U+2028 and its like
		}
		vectors = append(vectors, v)
	}
	return vectors
}

// TestVectors holds both tokenizers, as parsed and as loaded from their binary
// section, against the tokenizers library.
func TestVectors(t *testing.T) {
	for _, test := range []struct{ dir, vectors string }{
		{"qwen-tokenizer", "vectors.jsonl"},
		{"tiny-smallthinker", "tokenizer_vectors.jsonl"},
	} {
		t.Run(test.dir, func(t *testing.T) {
			vectors := readVectors(t, test.dir+"/"+test.vectors)
			if len(vectors) < 100 {
				t.Fatalf("only %d vectors", len(vectors))
			}
			parsed := parseModel(t, test.dir)
			section, _ := parsed.MarshalBinary()
			loaded, err := Load(section)
			if err != nil {
				t.Fatal(err)
			}
			for name, tok := range map[string]*Tokenizer{"parsed": parsed, "loaded": loaded} {
				for _, v := range vectors {
					ids := append([]int32{}, tok.Encode(v.Text, true)...)
					if diff := cmp.Diff(v.IDs, ids); diff != "" {
						t.Errorf("%s: Encode(%.100q) differs (-want +got):\n%s", name, v.Text, diff)
					}
					if got := tok.Decode(v.IDs, false); got != v.Decoded {
						t.Errorf("%s: Decode of %.100q = %.100q, want %.100q", name, v.Text, got, v.Decoded)
					}
					if got := stream(tok, v.IDs, false); got != v.Decoded {
						t.Errorf("%s: streamed decode of %.100q = %.100q, want %.100q", name, v.Text, got, v.Decoded)
					}
				}
			}
		})
	}
}

// stream decodes ids one by one.
func stream(tok *Tokenizer, ids []int32, skipSpecial bool) string {
	var text strings.Builder
	d := tok.NewDecoder(skipSpecial)
	for _, id := range ids {
		text.WriteString(d.Next(id))
	}
	text.WriteString(d.Flush())
	return text.String()
}

// TestLongPieces: no input makes Encode quadratic: a mebibyte would not be done within the test's time limit.
func TestLongPieces(t *testing.T) {
	tok := qwen(t)
	for _, unit := range []string{"a", "ab", " ", "\n", "é", "=", "你", "<", "\u0301", "1", " \n"} {
		text := strings.Repeat(unit, 1<<20/len(unit))
		ids := tok.Encode(text, true)
		if unit != "\u0301" {
			if got := tok.Decode(ids, false); got != text {
				t.Errorf("%d bytes of %q do not come back", len(text), unit)
			}
		}
	}
}
