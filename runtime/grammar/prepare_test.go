package grammar_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"st/runtime/grammar"
	"st/runtime/grammar/jsonschema"
)

// TestPrepare holds what matchers allow while and after a grammar is prepared against a grammar that is not.
func TestPrepare(t *testing.T) {
	v := bytesVocabulary()
	schema := []byte(`{"type": "object", "properties": {"name": {"type": "string", "maxLength": 9}, "of": {"enum": ["a", "bc"]}, "n": {"type": "integer"}}, "required": ["name", "of", "n"]}`)
	const text = `{"name": "ab\"c", "of": "bc", "n": 12}`
	sets := func(c *grammar.Compiled) (all []grammar.Bitset) {
		m := c.NewMatcher()
		for _, b := range []byte(text) {
			allowed, err := m.Allowed()
			if err != nil {
				t.Error(err)
				return nil
			}
			all = append(all, slices.Clone(allowed))
			if err := m.Accept(int32(b)); err != nil {
				t.Error(err)
				return nil
			}
		}
		return all
	}
	compile := func() *grammar.Compiled {
		g, err := jsonschema.Grammar(schema)
		if err != nil {
			t.Fatal(err)
		}
		c, err := v.Compile(g)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	want := sets(compile())
	equal := func(got []grammar.Bitset) bool { return slices.EqualFunc(got, want, slices.Equal[grammar.Bitset]) }

	c := compile()
	small := c.Size()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	c.Prepare(ended)
	c.Prepare(t.Context()) // goes on
	if c.Size() < small+1000 {
		t.Errorf("nothing was prepared: %d bytes, before %d", c.Size(), small)
	}
	if !equal(sets(c)) {
		t.Error("once prepared, other tokens are allowed")
	}
	for range 20 {
		c := compile()
		var group sync.WaitGroup
		group.Go(func() { c.Prepare(t.Context()) })
		for range 3 {
			group.Go(func() {
				if !equal(sets(c)) {
					t.Error("while it is prepared, other tokens are allowed")
				}
			})
		}
		group.Wait()
	}
}

// bytesVocabulary has a token for each byte, with the same number, some longer ones, and one that ends texts.
func bytesVocabulary() *grammar.Vocabulary {
	var tokens [][]byte
	for b := range 256 {
		tokens = append(tokens, []byte{byte(b)})
	}
	for _, text := range []string{`", "`, `": "`, "abc", "bc", `{"`, "12", "2}"} {
		tokens = append(tokens, []byte(text))
	}
	tokens = append(tokens, nil)
	return grammar.NewVocabulary(tokens, []int32{int32(len(tokens) - 1)}, nil)
}
