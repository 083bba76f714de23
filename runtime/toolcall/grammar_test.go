package toolcall_test

import (
	"strings"
	"testing"

	"st/runtime/grammar"
	"st/runtime/grammar/jsonschema"
	"st/runtime/toolcall"
)

// letters are the tokens of a vocabulary of bytes; the tokens after them are special: markers, and the end of a text.
func letters(special ...string) *grammar.Vocabulary {
	tokens := make([][]byte, 257+len(special))
	for b := range 256 {
		tokens[b] = []byte{byte(b)}
	}
	return grammar.NewVocabulary(tokens, []int32{256}, func(text string) (int32, bool) {
		for i, s := range special {
			if s == text {
				return int32(257 + i), true
			}
		}
		return 0, false
	})
}

// follows reports whether a text is in a grammar. Markers are tokens.
func follows(t *testing.T, g *grammar.Grammar, text string, special ...string) bool {
	t.Helper()
	compiled, err := letters(special...).Compile(g)
	if err != nil {
		t.Fatal(err)
	}
	m := compiled.NewMatcher()
next:
	for text != "" {
		for i, s := range special {
			if rest, ok := strings.CutPrefix(text, s); ok {
				if m.Accept(int32(257+i)) != nil {
					return false
				}
				text = rest
				continue next
			}
		}
		if m.Accept(int32(text[0])) != nil {
			return false
		}
		text = text[1:]
	}
	return m.CanEnd()
}

// functions are two: one with arguments.
func functions(t *testing.T) []toolcall.Function {
	t.Helper()
	schema, err := jsonschema.Grammar([]byte(`{"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"], "additionalProperties": false}`))
	if err != nil {
		t.Fatal(err)
	}
	integer, err := jsonschema.Grammar([]byte(`{"type": "integer"}`))
	if err != nil {
		t.Fatal(err)
	}
	return []toolcall.Function{{Name: "a", Arguments: schema, Parameters: []toolcall.Parameter{{Name: "x", Required: true, Value: integer}}},
		{Name: "b", Arguments: jsonschema.Object()}}
}

// Calls that a form writes are in its grammar, alone and where the model decides. Others are not.
func TestGrammar(t *testing.T) {
	one, two := call{"a", `{"x": 1}`}, call{"b", `{"y": [true]}`}
	for _, f := range toolcall.Forms {
		var special []string // as the models of the forms have it
		if f != toolcall.Hermes {
			special = f.Markers()
		}
		isSpecial := func(marker string) bool { return f != toolcall.Hermes }
		many := toolcall.Writing{Form: f, Special: isSpecial}
		single := toolcall.Writing{Form: f, Special: isSpecial, Single: true}
		for _, tt := range []struct {
			text                   string
			calls, single, decides bool
		}{
			{f.Write([]call{one}), true, true, true},
			{f.Write([]call{two}), true, true, true},
			{f.Write([]call{one, two}), true, false, true},
			{f.Write([]call{{"c", `{}`}}), false, false, false},
			{f.Write([]call{{"a", `{}`}}), false, false, false},
			{f.Write([]call{{"a", `{"x": "one"}`}}), false, false, false},
			{f.Write([]call{{"b", `[]`}}), false, false, false},
			{"", false, false, true},
			{"Hello < <tool {x} [TOOL", false, false, true},
			{"I look.\n" + f.Write([]call{one}), false, false, true}, // Llama's calls come first: later ones are text
			{f.Write([]call{one}) + "and", false, false, false},
		} {
			if got := follows(t, many.Calls(functions(t)), tt.text, special...); got != tt.calls {
				t.Errorf("%s, calls: %q: %v", f.Name, tt.text, got)
			}
			if got := follows(t, single.Calls(functions(t)), tt.text, special...); got != tt.single {
				t.Errorf("%s, one call: %q: %v", f.Name, tt.text, got)
			}
			if got := follows(t, many.Free(functions(t)), tt.text, special...); got != tt.decides {
				t.Errorf("%s, the model decides: %q: %v", f.Name, tt.text, got)
			}
		}
	}
}

func TestReasoningGrammar(t *testing.T) {
	for _, tt := range []struct {
		opened, special bool // the closing tag is a special token
		text            string
		want            bool
	}{
		{false, false, "<think>\nHm < </thin\n</think>\n\n", true},
		{false, false, "<think></think>", true},
		{false, false, "Hm</think>", false},
		{false, false, "<think>Hm", false},
		{true, false, "Hm</think>\n", true},
		{true, false, "Hm</think>x</think>", false},
		{false, true, "<think>Hm</think>", true},
		{true, true, "Hm</think>\n", true},
	} {
		tokens := []string{"<think>"}
		if tt.special {
			tokens = append(tokens, "</think>")
		}
		g := toolcall.ReasoningGrammar(toolcall.Think, func(marker string) bool { return tt.special }, tt.opened)
		if got := follows(t, g, tt.text, tokens...); got != tt.want {
			t.Errorf("%v, %q: %v", tt.opened, tt.text, got)
		}
	}
	// A tag that is spelled is none.
	g := toolcall.ReasoningGrammar(toolcall.Think, nil, false)
	compiled, err := letters("<think>").Compile(g)
	if err != nil {
		t.Fatal(err)
	}
	if compiled.NewMatcher().Accept('<') == nil {
		t.Error("the opening tag may be spelled")
	}
}
