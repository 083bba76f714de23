package jsonschema_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	validator "github.com/santhosh-tekuri/jsonschema/v6"

	"st/runtime/grammar"
	"st/runtime/grammar/jsonschema"
)

// vocabulary has all bytes, and texts that are frequent in JSON, some of which cross what grammars tell apart.
var vocabulary = func() *grammar.Vocabulary {
	var tokens [][]byte
	for b := range 256 {
		tokens = append(tokens, []byte{byte(b)})
	}
	for _, t := range strings.Fields(`{" "} ": ", ", true false null 12 345 -1 0. e1 \" \\ \n \u00 \ud83d\ude00 é 日 a ab abc name "a b" " [" "] ]} }} ]] [[ -- 20 202 :0 T0 @a .c foo bar fo oo" 1.`) {
		tokens = append(tokens, []byte(t))
	}
	for _, t := range []string{`": "`, `", "`, `": `, `, `, `: `, `"}, {"`, ` "`, "\xc3", "\xa9", "\xe6\x97", "\xa5a"} {
		tokens = append(tokens, []byte(t))
	}
	tokens = append(tokens, nil)
	return grammar.NewVocabulary(tokens, []int32{int32(len(tokens) - 1)}, nil)
}()

func compile(schema string) (*grammar.Compiled, error) {
	g, err := jsonschema.Grammar([]byte(schema))
	if err != nil {
		return nil, err
	}
	return vocabulary.Compile(g)
}

func mustCompile(t testing.TB, schema string) *grammar.Compiled {
	t.Helper()
	c, err := compile(schema)
	if err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	return c
}

// sample writes a text of a grammar: up to n tokens of those that are allowed, and then what ends it shortest.
func sample(rng *rand.Rand, c *grammar.Compiled, n int) (string, error) {
	m := c.NewMatcher()
	var text bytes.Buffer
	var ids []int32
	for range n {
		if m.Done() {
			break
		}
		allowed, err := m.Allowed()
		if err != nil {
			return "", fmt.Errorf("after %q: %w", text.String(), err)
		}
		ids = ids[:0]
		for id := range allowed.All {
			ids = append(ids, id)
		}
		id := ids[rng.IntN(len(ids))]
		if err := m.Accept(id); err != nil {
			return "", fmt.Errorf("after %q: %w", text.String(), err)
		}
		text.Write(vocabulary.Bytes(id))
	}
	rest := m.Finish()
	if err := m.AcceptText(string(rest)); err != nil || !m.CanEnd() {
		return "", fmt.Errorf("%q does not end with %q: %v", text.String(), rest, err)
	}
	text.Write(rest)
	return text.String(), nil
}

// validate returns why a text does not validate against a schema.
func validate(schema string, text string) error {
	s, err := newValidator(schema)
	if err != nil {
		return err
	}
	return validateWith(s, text)
}

func newValidator(schema string) (*validator.Schema, error) {
	doc, err := validator.UnmarshalJSON(strings.NewReader(schema))
	if err != nil {
		return nil, err
	}
	c := validator.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("mem:///schema.json", doc); err != nil {
		return nil, err
	}
	return c.Compile("mem:///schema.json")
}

func validateWith(s *validator.Schema, text string) error {
	v, err := validator.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

// in reports whether a text is in a grammar.
func in(c *grammar.Compiled, text string) bool {
	m := c.NewMatcher()
	return m.AcceptText(text) == nil && m.CanEnd()
}
