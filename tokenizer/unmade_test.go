package tokenizer

import (
	"bytes"
	"slices"
	"testing"
)

// TestUnmade: of merges whose end is missing, the tokens that they would have made are left.
func TestUnmade(t *testing.T) {
	files, _, _ := legacyQwen(t)
	files.TokenizerConfig = readFile(t, "qwen-tokenizer/tokenizer_config.json")
	tok, err := ParseFiles(files)
	if err != nil {
		t.Fatal(err)
	}
	if ids := tok.Unmade(); ids != nil {
		t.Errorf("of all merges %d tokens are left, such as %d", len(ids), ids[0])
	}
	lines := bytes.SplitAfter(files.Merges, []byte("\n"))
	lines = lines[:len(lines)-4] // the last is empty
	files.Merges = bytes.Join(lines, nil)
	if tok, err = ParseFiles(files); err != nil {
		t.Fatal(err)
	}
	if ids := tok.Unmade(); len(ids) != 3 || !slices.IsSorted(ids) {
		t.Errorf("of all merges but three the tokens %v are left", ids)
	}
}
