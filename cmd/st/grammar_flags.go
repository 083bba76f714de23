package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"st/runtime"
	"st/runtime/grammar"
	"st/runtime/grammar/jsonschema"
)

// grammarFlags say what an answer must be.
type grammarFlags struct{ schema, file, regex string }

func (f *grammarFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.schema, "json-schema", "", "write JSON that validates against the JSON Schema in this `file`, or in this argument if it begins with {")
	flags.StringVar(&f.file, "grammar", "", "write what the GBNF grammar in this `file` allows, or in this argument if it has ::=")
	flags.StringVar(&f.regex, "regex", "", "write what matches this regular `expression` (RE2) as a whole")
}

// check finds flags that do not go together.
func (f *grammarFlags) check(flags *pflag.FlagSet) error {
	given := ""
	for _, name := range []string{"json-schema", "grammar", "regex"} {
		if !flags.Changed(name) {
			continue
		}
		if flags.Lookup(name).Value.String() == "" {
			return usagef("--%s needs a value", name)
		}
		if given != "" {
			return usagef("give --%s or --%s, not both", given, name)
		}
		given = name
	}
	if f.schema == "-" || f.file == "-" {
		return usagef("--%s cannot be read from standard input: name a file, or give it as the argument", given)
	}
	return nil
}

// maxGrammar bounds the files that are read.
const maxGrammar = 16 << 20

// read returns the grammar; nil: there is none.
func (f *grammarFlags) read(ctx context.Context, a *app) (*grammar.Grammar, error) {
	name, text := "", ""
	parse := func(text string) (*grammar.Grammar, error) { return jsonschema.GrammarContext(ctx, []byte(text)) }
	var err error
	switch {
	case strings.HasPrefix(strings.TrimSpace(f.schema), "{"):
		name, text = "--json-schema", f.schema
	case f.schema != "":
		name = inputName(f.schema)
		text, err = a.readAll(ctx, f.schema, maxGrammar)
	case strings.Contains(f.file, "::="): // as llama.cpp's --grammar
		name, text, parse = "--grammar", f.file, grammar.ParseGBNF
	case f.file != "":
		name, parse = inputName(f.file), grammar.ParseGBNF
		text, err = a.readAll(ctx, f.file, maxGrammar)
	case f.regex != "":
		name, text, parse = "--regex", f.regex, grammar.FromRegex
	default:
		return nil, nil
	}
	if err == nil {
		err = checkArgument(name, text)
	}
	if err != nil {
		return nil, err
	}
	g, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return g, nil
}

// noteUnfinished says that a text is not what its grammar asks for.
func (a *app) noteUnfinished(r *runtime.Result) {
	if r == nil || !r.Unfinished {
		return
	}
	why := "it was interrupted"
	switch r.Stop {
	case runtime.StopLength:
		why = "-n is reached"
	case runtime.StopContext:
		why = "the context is full"
	}
	a.note("note: the text is not complete within its grammar: %s", why)
}
