package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"st/format"
	"st/tokenizer"
)

// openTokenizer reads the tokenizer of an .stm file, of a tokenizer.json with the tokenizer_config.json beside it, or of a
// directory that has them.
func openTokenizer(ctx context.Context, path string) (*tokenizer.Tokenizer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		path = filepath.Join(path, "tokenizer.json")
	}
	if filepath.Ext(path) == ".json" {
		text, err := readFile(ctx, path)
		if err != nil {
			return nil, err
		}
		config, err := readFile(ctx, filepath.Join(filepath.Dir(path), "tokenizer_config.json"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		t, err := tokenizer.ParseHF(text, config)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return t, nil
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
