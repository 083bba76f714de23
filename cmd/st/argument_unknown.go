package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"st/quant"
)

// commandsElsewhere are commands of Ollama that there are none of here, and what does their work.
var commandsElsewhere = map[string]string{
	"ps":   "GET /api/ps of st serve tells which models it has loaded",
	"stop": "Ctrl-C ends st run and st serve, which unloads a model that nobody has used for --keep-alive",
}

// unknownCommand is the error about a word that is no command, with the one that may be meant.
func unknownCommand(root *cobra.Command, word string) error {
	err := fmt.Errorf("unknown command %q", word)
	if instead := commandsElsewhere[word]; instead != "" {
		return fmt.Errorf("%w: %s", err, instead)
	}
	if near := root.SuggestionsFor(word); len(near) > 0 && len(word) > 2 { // two letters are near any two
		return fmt.Errorf("%w: did you mean %s?", err, strings.Join(near, " or "))
	}
	return err
}

// byFlag says what the argument too many of a command may be meant for, which a flag takes.
var byFlag = map[string]struct{ flag, hint string }{
	"generate":  {"prompt", "the prompt is given with -p"},
	"convert":   {"output", "the output is given with -o"},
	"export":    {"output", "the output is given with -o"},
	"eval":      {"text", "the text is given with --text"},
	"calibrate": {"text", "the text is given with --text"},
	"logits":    {"tokens", "the token ids are given with --tokens"},
}

// texts says which argument or flag of a command is a text: without quotes, a shell makes an argument of each of its words.
var texts = map[string]string{"run": "prompt", "generate": "prompt", "tokenize": "text"}

// unexpectedArgument is the error about an argument too many, with the flag that may be meant.
func unexpectedArgument(cmd *cobra.Command, arg string) error {
	err := fmt.Errorf("unexpected argument %q", arg)
	flags := cmd.Flags()
	if _, e := quant.ParseType(arg); e == nil && flags.Lookup("type") != nil && !flags.Changed("type") {
		return fmt.Errorf("%w: the type is given with --type", err)
	}
	if by, ok := byFlag[cmd.Name()]; ok && !flags.Changed(by.flag) {
		return fmt.Errorf("%w: %s", err, by.hint)
	}
	if text := texts[cmd.Name()]; text != "" {
		return fmt.Errorf("%w: a %s of several words stands in quotes", err, text)
	}
	return err
}
