package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"st/runtime"
)

func TestGenerateGrammar(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const schema = `{"type": "object", "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "minimum": 0, "maximum": 99}}, "required": ["name", "age"]}`
	for _, args := range [][]string{{"--json-schema", schema}, {"--json-schema", file("schema.json", schema)}} {
		r := generateJSON(t, append(args, "-p", "The king said:", "--stop", `"`)...)
		var v struct {
			Name string
			Age  *int
		}
		if err := json.Unmarshal([]byte(r.Text), &v); err != nil || v.Age == nil || *v.Age < 0 || *v.Age > 99 || r.Unfinished || r.ForcedTokens == 0 || r.StopReason != runtime.StopEOS {
			t.Errorf("%v: %+v: %v", args, r, err)
		}
	}
	const gbnf = `root ::= "Sir " [A-Z] [a-z]{2,9} "."`
	for _, args := range [][]string{{"--grammar", gbnf}, {"--grammar", file("sir.gbnf", gbnf)}, {"--regex", `Sir [A-Z][a-z]{2,9}\.`}} {
		r := generateJSON(t, append(args, "-p", "The king said:")...)
		if !regexp.MustCompile(`^Sir [A-Z][a-z]{2,9}\.$`).MatchString(r.Text) {
			t.Errorf("%v: %q", args, r.Text)
		}
	}
	if o := st("run", tiny(t), "Who are you?", "--regex", "I am [a-z]{3,9}[.]"); o.code != 0 || !strings.HasPrefix(o.stdout, "I am ") {
		t.Errorf("%+v", o)
	}
	// A text that is cut off is told to be.
	if r := generateJSON(t, "--json-schema", schema, "-p", "The king said:", "-n", "4"); !r.Unfinished || r.StopReason != runtime.StopLength {
		t.Errorf("%+v", r)
	}
	o := st("generate", tiny(t), "--json-schema", schema, "-p", "The king said:", "-n", "4")
	if want := "note: the text is not complete within its grammar: -n is reached\n"; o.code != 0 || o.stderr != want {
		t.Errorf("%+v, want %q", o, want)
	}
}

// A schema that takes long to read is given up when the program is interrupted.
func TestSchemaInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := grammarFlags{schema: `{"enum": [` + strings.Repeat("1, ", 1000) + `1]}`}
	if _, err := f.read(ctx, &app{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A text that a grammar has too many readings of ends with an error.
func TestAmbiguousGrammar(t *testing.T) {
	o := st("generate", tiny(t), "-p", "x", "--seed", "1", "--grammar", "root ::= a\na ::= [a-z ] a b | [a-z ] b a | [a-z ]\nb ::= a a a | [a-z ]")
	if o.code != exitFailure || !strings.Contains(o.stderr, "tiny.stm: the grammar is too ambiguous: a text has so many readings") {
		t.Errorf("%+v", o)
	}
}

func TestGrammarFailures(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.gbnf")
	if err := os.WriteFile(bad, []byte("root ::= a"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		code int
		says string
		args []string
	}{
		{1, "JSON Schema, at #/unevaluatedItems: the keyword unevaluatedItems is not supported", []string{"--json-schema", `{"unevaluatedItems": {}}`}},
		{1, "bad.gbnf: the grammar is not well-formed: line 1, column 10: rule a is not defined", []string{"--grammar", bad}},
		{1, "--regex: the grammar is not well-formed: error parsing regexp: missing closing )", []string{"--regex", "("}},
		{1, "no-such-file", []string{"--json-schema", "no-such-file"}},
		{1, `left recursion: rule "root" begins with itself`, []string{"--grammar", `root ::= root "a" | "b"`}},
		{1, "no text is in the grammar: a rule needs itself without end, or what is asked for contradicts itself, such as more different items than there are values",
			[]string{"--json-schema", `{"type": "array", "uniqueItems": true, "minItems": 3, "items": {"enum": [1, 2]}}`}},
		{2, "give --json-schema or --regex, not both", []string{"--json-schema", "{}", "--regex", "a"}},
		{2, "--regex needs a value", []string{"--regex", ""}},
		{2, "--grammar cannot be read from standard input", []string{"--grammar", "-"}},
	} {
		o := st(append([]string{"generate", tiny(t), "-p", "x"}, test.args...)...)
		if o.code != test.code || !strings.Contains(o.stderr, test.says) || o.stdout != "" {
			t.Errorf("%q: %+v, want %q", test.args, o, test.says)
		}
	}
}
