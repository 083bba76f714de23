package convert

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"st/convert/checkpoint"
	"st/tokenizer"
)

// specialTokensMap is a file that few checkpoints need: one that says nothing is none.
const specialTokensMap = "special_tokens_map.json"

// addedTokens is a file that tokenizer_config.json has taken the place of.
const addedTokens = "added_tokens.json"

// tokenizerFiles are those of the tokenizer, in the order in which they count. name is what tokenizer.json is called.
func (s *source) tokenizerFiles(name string) []smallFile {
	return []smallFile{
		{name, &s.tokens.Tokenizer, false}, // the largest, which package tokenizer reads as Python does
		{"tokenizer_config.json", &s.tokens.TokenizerConfig, true},
		{"vocab.json", &s.tokens.Vocab, true},
		{"merges.txt", &s.tokens.Merges, false},
		{addedTokens, &s.tokens.AddedTokens, false},           // which package tokenizer reads if it needs it
		{specialTokensMap, &s.tokens.SpecialTokensMap, false}, // which package tokenizer reads if it needs it
	}
}

// parseTokenizer returns the tokenizer, nil and a note if the files hold none.
func (s *source) parseTokenizer() (*tokenizer.Tokenizer, []string, error) {
	t, err := tokenizer.ParseFiles(s.tokens)
	if err == nil {
		s.small = slices.DeleteFunc(s.small, func(path string) bool {
			name := filepath.Base(path)
			return name == specialTokensMap && !t.UsesSpecialTokensMap() || name == addedTokens && !t.UsesAddedTokens()
		})
	}
	switch {
	case err == nil && s.tokens.Tokenizer == nil:
		notes := []string{"the tokenizer is made of vocab.json and merges.txt: there is no tokenizer.json"}
		if ids := t.Unmade(); len(ids) > 0 {
			notes = append(notes, fmt.Sprintf("merges.txt may be cut off: tokens of vocab.json that none of its merges makes: %d, such as %q",
				len(ids), t.Decode(ids[:1], false)))
		}
		return t, notes, nil
	case errors.Is(err, tokenizer.ErrNoTokenizer):
		return nil, []string{"the checkpoint has no tokenizer.json: the model runs on token ids only" + s.otherTokenizer()}, nil
	case errors.Is(err, tokenizer.ErrUnknownClass):
		return nil, []string{fmt.Sprintf("%v: the model runs on token ids only%s", err, saveTokenizer)}, nil
	case err != nil:
		return nil, nil, fmt.Errorf("%s%c%w", s.dir, filepath.Separator, err) // the error begins with the file's name
	}
	return t, nil, nil
}

// OpenTokenizer reads the tokenizer of a checkpoint, and returns notes about where it was found. path is what [Run] takes, or a tokenizer.json of any
// name. An error about the files is a [Diagnosis].
func OpenTokenizer(path string) (*tokenizer.Tokenizer, []string, error) {
	t, notes, err := openTokenizer(path)
	if err != nil {
		return nil, nil, Diagnose(path, err)
	}
	return t, notes, nil
}

func openTokenizer(path string) (*tokenizer.Tokenizer, []string, error) {
	s := &source{place: checkpoint.Disk, dir: path}
	name := "tokenizer.json"
	switch {
	case isDir(path) && !holdsTokenizer(path):
		found, notes, err := Locate(path)
		if err != nil {
			return nil, nil, err
		}
		s.dir, s.notes = found, notes
	case !isDir(path):
		s.dir = filepath.Dir(path)
		if base := filepath.Base(path); !slices.Contains(smallFiles, base) {
			name = base
		}
	}
	if err := s.readFiles(s.tokenizerFiles(name)); err != nil {
		return nil, nil, err
	}
	if s.tokens.Tokenizer == nil { // config.json may tell the tokenizer's class
		if err := s.readFiles([]smallFile{{"config.json", &s.tokens.Config, true}}); err != nil {
			return nil, nil, err
		}
	}
	t, err := tokenizer.ParseFiles(s.tokens)
	switch {
	case err == nil:
		return t, s.notes, nil
	case errors.Is(err, tokenizer.ErrNoTokenizer):
		return nil, nil, fmt.Errorf("%s: %w%s", s.dir, err, s.otherTokenizer())
	case errors.Is(err, tokenizer.ErrUnknownClass):
		return nil, nil, fmt.Errorf("%s: %w%s", s.dir, err, saveTokenizer)
	case name != "tokenizer.json":
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return nil, nil, fmt.Errorf("%s%c%w", s.dir, filepath.Separator, err) // the error begins with the file's name
}

// holdsTokenizer reports whether a directory has a tokenizer, which may be all that it has.
func holdsTokenizer(dir string) bool {
	return slices.ContainsFunc([]string{"tokenizer.json", "vocab.json"}, func(name string) bool {
		_, err := os.Lstat(filepath.Join(dir, name))
		return err == nil
	})
}
