package main

import (
	"fmt"
	"os"
	"path/filepath"

	"st/convert"
	"st/format"
	"st/tokenizer"
)

// openTokenizer reads the tokenizer of an .stm file, of a tokenizer.json with the files beside it, or of a checkpoint.
func (a *app) openTokenizer(path string) (*tokenizer.Tokenizer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() || filepath.Ext(path) == ".json" || filepath.Base(path) == "merges.txt" {
		t, notes, err := convert.OpenTokenizer(path)
		for _, n := range notes {
			a.note("note: %s", n)
		}
		return t, err
	}
	r, err := format.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if len(r.Tokenizer) == 0 {
		return nil, fmt.Errorf("%s has no tokenizer, because its checkpoint had none", path)
	}
	t, err := tokenizer.Load(r.Tokenizer)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}
