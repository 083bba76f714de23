package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"st/cmd/internal/terminal"
	"st/cmd/internal/textfile"
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
BOS token is added. MODEL is an .stm file, a tokenizer.json, or a checkpoint directory.

--decode goes back: it prints the text of ids, which are separated by spaces or commas or stand in JSON arrays.

--json takes standard input line by line, without the ends of the lines, and prints one JSON value a line: an array of
ids, or with --decode a string. A line may hold zero bytes, which a text without --json may not. A TEXT argument is one line, whatever is in it.`,
		Example: `  st tokenize small.stm "Hello, world"
  st tokenize small.stm --json < lines.txt
  st tokenize small.stm --decode "9707 11 1879"
  st tokenize checkpoint/tokenizer.json "Hello, world"`,
		Args: arguments("MODEL", "[TEXT]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				if err := checkArgument("TEXT", args[1]); err != nil {
					return err
				}
			}
			path, err := a.locateAny(args[0])
			if err != nil {
				return err
			}
			t, err := a.openTokenizer(path)
			if err != nil {
				return err
			}
			if len(args) == 2 && args[1] != "-" {
				return a.tokenize(t, args[1], f)
			}
			if f.json {
				return a.tokenizeLines(cmd.Context(), t, f)
			}
			text, err := a.readAll(cmd.Context(), "-", 0)
			if err != nil {
				return err
			}
			return a.tokenize(t, text, f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.decode, "decode", false, "print the text of token ids")
	flags.BoolVar(&f.json, "json", false, "print JSON, one value for each line of input")
	flags.BoolVar(&f.noSpecial, "no-special", false, "take special tokens such as <|im_end|> as plain text; with --decode, leave them out")
	return completesModels(cmd, 1)
}

// tokenizeLines handles standard input line by line, each as it comes.
func (a *app) tokenizeLines(ctx context.Context, t *tokenizer.Tokenizer, f tokenizeFlags) error {
	for line, err := range textfile.Lines(ctx, a.stdin, inputName("-")) {
		if err == nil {
			err = a.tokenize(t, line, f)
		}
		if err != nil {
			return err
		}
		if a.stdout.err != nil {
			return nil
		}
	}
	return nil
}

// tokenize handles one text, or the text of some ids.
func (a *app) tokenize(t *tokenizer.Tokenizer, input string, f tokenizeFlags) error {
	if f.decode {
		text, err := decode(t, input, f.noSpecial)
		if err == nil {
			err = a.printValue(text, a.visible(text), f.json)
		}
		return err
	}
	ids := t.Encode(input, !f.noSpecial)
	if ids == nil {
		ids = []int32{}
	}
	return a.printValue(ids, strings.Trim(fmt.Sprint(ids), "[]"), f.json)
}

// visible returns a text that a terminal does not obey, if one is going to have it.
func (a *app) visible(text string) string {
	if !a.outTerminal {
		return text
	}
	return terminal.Show(text)
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
