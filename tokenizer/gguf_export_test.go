package tokenizer

import (
	"bytes"
	"errors"
	"testing"
)

// What a GGUF file keeps of a tokenizer makes it again, to the byte.
func TestGGUF(t *testing.T) {
	for _, model := range []struct {
		name string
		rows int
	}{{"qwen-tokenizer", 151936}, {"tiny-smallthinker", 4096}} {
		want := parseModel(t, model.name)
		v, err := want.GGUF(model.rows)
		if err != nil {
			t.Fatal(err)
		}
		if len(v.Tokens) != model.rows || len(v.Types) != model.rows {
			t.Errorf("%s: %d tokens and %d types, want %d", model.name, len(v.Tokens), len(v.Types), model.rows)
		}
		got, err := ParseGGUF(v)
		if err != nil {
			t.Fatal(err)
		}
		a, _ := got.MarshalBinary()
		b, _ := want.MarshalBinary()
		if !bytes.Equal(a, b) {
			t.Errorf("%s: the sections, of %d and %d bytes, differ", model.name, len(a), len(b))
		}
		// And the vocabulary is what llama.cpp's converter makes of the tokenizer.json.
		theirs := ggufVocabulary(t, readFile(t, model.name+"/tokenizer.json"), model.rows)
		for id := range theirs.Tokens {
			if v.Tokens[id] != theirs.Tokens[id] || v.Types[id] != theirs.Types[id] {
				t.Errorf("%s: token %d is %q of type %d, want %q of type %d", model.name, id, v.Tokens[id], v.Types[id], theirs.Tokens[id], theirs.Types[id])
			}
		}
	}
	// A tokenizer that GGUF files tell less of.
	tok, err := ParseGGUF(smallGGUF())
	if err != nil {
		t.Fatal(err)
	}
	tok.added[1].LStrip = true
	if _, err := tok.GGUF(300); !errors.Is(err, ErrUnsupported) {
		t.Errorf("an added token that takes white space along: %v", err)
	}
	if _, err := tok.GGUF(maxTokens + 1); err == nil {
		t.Error("no error for too many tokens")
	}
}
