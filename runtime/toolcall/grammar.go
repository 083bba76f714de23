package toolcall

import (
	"strings"

	"st/runtime/grammar"
	"st/runtime/grammar/automaton"
)

// Function is a function that may be called.
type Function struct {
	Name      string
	Arguments *grammar.Grammar
	// Parameters are those of a form that is Tagged, in the order in which they are written; nil: any.
	Parameters []Parameter
}

// Parameter is a parameter of a function.
type Parameter struct {
	Name     string
	Required bool
	Value    *grammar.Grammar // of JSON, or of a string without quotes; nil: any text
}

// Writing says how answers with calls are written.
type Writing struct {
	Form *Form
	// Special reports whether a marker is a special token, which no text spells; nil: none is.
	Special func(marker string) bool
	// Single allows one call; else there may be several.
	Single bool
}

// Calls returns the grammar of answers that are calls.
func (w *Writing) Calls(functions []Function) *grammar.Grammar {
	return grammar.Sequence(w.text(w.Form.First), w.calls(functions))
}

// calls is what follows First.
func (w *Writing) calls(functions []Function) *grammar.Grammar {
	call := make([]*grammar.Grammar, len(functions))
	for i, f := range functions {
		arguments := f.Arguments
		if w.Form.Tagged {
			arguments = f.tagged()
		}
		call[i] = grammar.Sequence(w.text(w.Form.Head(f.Name)), arguments, w.text(w.Form.Tail()))
	}
	one := grammar.Choice(call...)
	more := grammar.Sequence()
	if !w.Single {
		more = grammar.Repeat(grammar.Sequence(w.text(w.Form.Between), one), 0, grammar.Unbounded)
	}
	return grammar.Sequence(one, more, w.text(w.Form.Last))
}

// tagged returns the grammar of parameters in tags.
func (f *Function) tagged() *grammar.Grammar {
	const end = "\n" + parameterClose
	parameter := func(name, value *grammar.Grammar) *grammar.Grammar {
		rest := grammar.Until(end)
		if value != nil {
			rest = grammar.Sequence(value, grammar.Literal(end))
		}
		return grammar.Sequence(grammar.Literal(parameterOpen), name, grammar.Literal(">\n"), rest, grammar.Literal("\n"))
	}
	if f.Parameters == nil {
		name := grammar.Class(automaton.NewSet('<', '>', 0, ' ').Negate())
		return grammar.Repeat(parameter(grammar.Repeat(name, 1, maxName), nil), 0, grammar.Unbounded)
	}
	var all []*grammar.Grammar
	for _, p := range f.Parameters {
		g := parameter(grammar.Literal(p.Name), p.Value)
		if !p.Required {
			g = grammar.Optional(g)
		}
		all = append(all, g)
	}
	return grammar.Sequence(all...)
}

// Free returns the grammar of answers that are text, which calls may follow: what begins as a call, must be one, and calls end the answer.
func (w *Writing) Free(functions []Function) *grammar.Grammar {
	f := w.Form
	if f.Bare {
		return grammar.Choice(w.Calls(functions), notBeginning(`{"name":`))
	}
	free, begin := grammar.Without(f.Begin), grammar.Until(f.Begin)
	if w.special(f.Begin) {
		free, begin = grammar.Text(), grammar.Sequence(grammar.Text(), grammar.Token(f.Begin))
	}
	return grammar.Choice(free, grammar.Sequence(begin, w.text(strings.TrimPrefix(f.First, f.Begin)), w.calls(functions)))
}

// special reports whether a marker is a special token.
func (w *Writing) special(marker string) bool { return w.Special != nil && w.Special(marker) }

// text returns the grammar of a text in which markers may be special tokens.
func (w *Writing) text(text string) *grammar.Grammar {
	for _, marker := range w.Form.Markers() {
		if !w.special(marker) {
			continue
		}
		if before, after, ok := strings.Cut(text, marker); ok {
			return grammar.Sequence(w.text(before), grammar.Token(marker), w.text(after))
		}
	}
	return grammar.Literal(text)
}

// notBeginning returns the grammar of texts that do not begin with a word of ASCII.
func notBeginning(word string) *grammar.Grammar {
	texts := []*grammar.Grammar{grammar.Sequence()}
	for i := range len(word) {
		other := grammar.Class(automaton.NewSet(rune(word[i]), rune(word[i])).Negate())
		texts = append(texts, grammar.Sequence(grammar.Literal(word[:i]), other, grammar.Text()))
		if i > 0 {
			texts = append(texts, grammar.Literal(word[:i]))
		}
	}
	return grammar.Choice(texts...)
}

// ReasoningGrammar returns the grammar of reasoning and the tag that ends it. opened says that the prompt has opened it already; else it
// begins with the tag as one token, as models write it that were trained to reason: others have no such token. White space may follow: line
// ends, as models write them.
func ReasoningGrammar(tags Tags, special func(marker string) bool, opened bool) *grammar.Grammar {
	thought := grammar.Until(tags.Close)
	if special != nil && special(tags.Close) {
		thought = grammar.Sequence(grammar.Text(), grammar.Token(tags.Close))
	}
	if !opened {
		thought = grammar.Sequence(grammar.Token(tags.Open), thought)
	}
	return grammar.Sequence(thought, grammar.Repeat(grammar.Literal("\n"), 0, 2))
}
