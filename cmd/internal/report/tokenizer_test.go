package report

import (
	"compress/gzip"
	"io"
	"os"
	"testing"

	"st/tokenizer"
)

// A report names the kind of tokenizer that a model has: Llama 2's and Gemma's are not byte-level.
func TestTokenizerKind(t *testing.T) {
	for family, want := range map[string]string{"llama2": "BPE with byte fallback", "gemma": "BPE with byte fallback", "o200k": "byte-level BPE"} {
		file, err := os.Open("../../../testdata/tokenizers/" + family + "/tokenizer.json.gz")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		unzipped, err := gzip.NewReader(file)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(unzipped)
		if err != nil {
			t.Fatal(err)
		}
		tok, err := tokenizer.ParseFiles(tokenizer.Files{Tokenizer: text})
		if err != nil {
			t.Fatal(err)
		}
		if got := describeTokenizer(tok).Kind; got != want {
			t.Errorf("%s: %q, want %q", family, got, want)
		}
	}
}
