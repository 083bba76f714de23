package main

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// tokenizerDir finds the tokenizer to copy: the Qwen2 one for a vocabulary of its size, else that of the tiny model. Both
// lie in the module's testdata, above the working directory.
func tokenizerDir(vocab int) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for !exists(filepath.Join(dir, "go.mod")) {
		if dir == filepath.Dir(dir) {
			return "", errors.New("no tokenizer: run inside the module or give -tokenizer")
		}
		dir = filepath.Dir(dir)
	}
	data := filepath.Join(dir, "testdata")
	if qwen := filepath.Join(data, "qwen-tokenizer"); vocab == presets["4b"].Vocab && exists(qwen) {
		return qwen, nil
	}
	return filepath.Join(data, "tiny-smallthinker"), nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// copyTokenizer copies tokenizer.json, gzipped or not, and tokenizer_config.json, and takes the special tokens' ids.
func copyTokenizer(dst, src string, c *config) error {
	text, err := readMaybeGzip(filepath.Join(src, "tokenizer.json"))
	if err != nil {
		return err
	}
	var t struct {
		AddedTokens []struct {
			ID      int
			Content string
		} `json:"added_tokens"`
		Model struct{ Vocab map[string]int }
	}
	if err := json.Unmarshal(text, &t); err != nil {
		return fmt.Errorf("%s/tokenizer.json: %w", src, err)
	}
	ids, top := t.Model.Vocab, -1
	if ids == nil {
		ids = map[string]int{}
	}
	for _, a := range t.AddedTokens {
		ids[a.Content] = a.ID
	}
	for _, id := range ids {
		top = max(top, id)
	}
	if top >= c.Vocab {
		return fmt.Errorf("vocabulary of %d is too small for the tokenizer's %d ids", c.Vocab, top+1)
	}
	end, hasEnd := ids["<|endoftext|>"]
	turn, hasTurn := ids["<|im_end|>"]
	if !hasEnd || !hasTurn {
		return fmt.Errorf("%s/tokenizer.json: no <|endoftext|> or no <|im_end|>", src)
	}
	c.BOS, c.EOS = end, []int{end, turn}
	settings, err := readMaybeGzip(filepath.Join(src, "tokenizer_config.json"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dst, "tokenizer.json"), text, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dst, "tokenizer_config.json"), settings, 0o644)
}

// readMaybeGzip reads path, or else path.gz decompressed.
func readMaybeGzip(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return text, err
	}
	f, zipErr := os.Open(path + ".gz")
	if zipErr != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s.gz: %w", path, err)
	}
	return io.ReadAll(z)
}
