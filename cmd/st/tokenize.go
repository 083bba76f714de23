package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"st/format"
	"st/tokenizer"
)

// tokenizeFlags are the flags of st tokenize.
type tokenizeFlags struct{ decode, json, noSpecial bool }

func (a *app) tokenizeCommand() *cobra.Command {
	var f tokenizeFlags
	cmd := &cobra.Command{
		Use:   "tokenize MODEL [TEXT|-]",
		Short: "Turn text into token ids, or back",
		Long: `Print the token ids of a text, separated by spaces. The text is an argument, or comes from standard input (- or none). No
BOS token is added. MODEL is an .stm file, a tokenizer.json, or a checkpoint directory that has one.

--decode goes back: it prints the text of ids, which are separated by spaces or commas or stand in JSON arrays.

--json takes standard input line by line, without the ends of the lines, and prints one JSON value a line: an array of
ids, or with --decode a string. A TEXT argument is one line, whatever is in it.`,
		Example: `  st tokenize small.stm "Hello, world"
  st tokenize small.stm --json < lines.txt
  st tokenize small.stm --decode "9707 11 1879"
  st tokenize checkpoint/tokenizer.json "Hello, world"`,
		Args: arguments("MODEL", "[TEXT]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := openTokenizer(args[0])
			if err != nil {
				return err
			}
			if len(args) == 2 && args[1] != "-" {
				return a.tokenize(t, args[1], f)
			}
			if f.json {
				return a.tokenizeLines(t, f)
			}
			text, err := io.ReadAll(a.stdin)
			if err != nil {
				return err
			}
			return a.tokenize(t, string(text), f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.decode, "decode", false, "print the text of token ids")
	flags.BoolVar(&f.json, "json", false, "print JSON, one value for each line of input")
	flags.BoolVar(&f.noSpecial, "no-special", false, "take special tokens such as <|im_end|> as plain text; with --decode, leave them out")
	return cmd
}

// openTokenizer reads the tokenizer of an .stm file, of a tokenizer.json with the tokenizer_config.json beside it, or of a
// directory that has them.
func openTokenizer(path string) (*tokenizer.Tokenizer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		path = filepath.Join(path, "tokenizer.json")
	}
	if filepath.Ext(path) == ".json" {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		config, err := os.ReadFile(filepath.Join(filepath.Dir(path), "tokenizer_config.json"))
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

// tokenizeLines handles standard input line by line.
func (a *app) tokenizeLines(t *tokenizer.Tokenizer, f tokenizeFlags) error {
	in := bufio.NewReader(a.stdin)
	for {
		line, err := in.ReadString('\n')
		if err != nil && err != io.EOF {
			return err
		}
		if line != "" {
			line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
			if err := a.tokenize(t, line, f); err != nil {
				return err
			}
		}
		if err == io.EOF || a.stdout.err != nil {
			return nil
		}
	}
}

// tokenize handles one text, or the text of some ids.
func (a *app) tokenize(t *tokenizer.Tokenizer, input string, f tokenizeFlags) error {
	if f.decode {
		text, err := decode(t, input, f.noSpecial)
		if err == nil {
			err = a.printValue(text, text, f.json)
		}
		return err
	}
	ids := t.Encode(input, !f.noSpecial)
	if ids == nil {
		ids = []int32{}
	}
	return a.printValue(ids, strings.Trim(fmt.Sprint(ids), "[]"), f.json)
}

// printValue prints a line: JSON or plain text.
func (a *app) printValue(value any, plain string, asJSON bool) error {
	if !asJSON {
		fmt.Fprintln(a.stdout, plain)
		return nil
	}
	return a.printJSON(value)
}

// decode returns the text of a list of ids.
func decode(t *tokenizer.Tokenizer, list string, skipSpecial bool) (string, error) {
	ids, err := parseIDs(list)
	if err != nil {
		return "", err
	}
	for _, id := range ids {
		if int(id) >= t.VocabSize() {
			return "", fmt.Errorf("token %d is not in the vocabulary, which has the ids 0 to %d", id, t.VocabSize()-1)
		}
	}
	return t.Decode(ids, skipSpecial), nil
}

// parseIDs reads token ids that are separated by spaces or commas, or stand in JSON arrays.
func parseIDs(list string) ([]int32, error) {
	words := strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(" \t\r\n,[]", r) })
	ids := make([]int32, len(words))
	for i, word := range words {
		id, err := strconv.ParseInt(word, 10, 64)
		if err != nil || id < 0 || id > math.MaxInt32 {
			return nil, fmt.Errorf("%q is not a token id", word)
		}
		ids[i] = int32(id)
	}
	return ids, nil
}
