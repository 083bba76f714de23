package runtime

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"st/runtime/grammar"
	"st/runtime/grammar/jsonschema"
	"st/runtime/toolcall"
)

// callGrammars are the grammars of calls that were used last: a program sends the same tools with every request, and their schemas take longer to
// read than a token to compute.
type callGrammars struct {
	mu   sync.Mutex
	list []keyedGrammar // the last one used comes last
}

type keyedGrammar struct {
	key     [32]byte
	grammar *grammar.Grammar
}

// get returns the grammar of a key, or else what of returns.
func (c *callGrammars) get(key [32]byte, of func() (*grammar.Grammar, error)) (*grammar.Grammar, error) {
	c.mu.Lock()
	i := slices.IndexFunc(c.list, func(k keyedGrammar) bool { return k.key == key })
	if i >= 0 {
		k := c.list[i]
		c.list = append(slices.Delete(c.list, i, i+1), k)
		c.mu.Unlock()
		return k.grammar, nil
	}
	c.mu.Unlock()
	g, err := of()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.list) == keepGrammars {
		c.list = slices.Delete(c.list, 0, 1)
	}
	c.list = append(c.list, keyedGrammar{key, g})
	return g, nil
}

// key returns what tells apart sets of tools whose calls have other grammars.
func (s *toolset) key() ([32]byte, error) {
	data, err := json.Marshal(struct {
		Tools  []Tool
		Choice ToolChoice
	}{s.list, s.choice})
	return sha256.Sum256(data), err
}

// callGrammar returns the grammar of answers with calls. answer is that of answers without; nil: any text.
func (p *ChatPrompt) callGrammar(answer *grammar.Grammar) (*grammar.Grammar, error) {
	if answer != nil {
		return p.newCallGrammar(answer)
	}
	key, err := p.tools.key()
	if err != nil {
		return nil, as(ErrTools, err)
	}
	return p.model.calls.get(key, func() (*grammar.Grammar, error) { return p.newCallGrammar(nil) })
}

func (p *ChatPrompt) newCallGrammar(answer *grammar.Grammar) (*grammar.Grammar, error) {
	w := toolcall.Writing{Form: p.reading.Form, Special: p.special, Single: p.tools.choice.Single}
	required := p.tools.choice.Mode == ToolRequired
	var functions []toolcall.Function
	for _, t := range p.tools.list {
		if names := p.tools.choice.Names; len(names) > 0 && !slices.Contains(names, t.Name) {
			continue
		}
		arguments, err := t.arguments(required)
		if err != nil {
			return nil, err
		}
		functions = append(functions, toolcall.Function{Name: t.Name, Arguments: arguments})
	}
	switch {
	case required:
		return w.Calls(functions), nil
	case answer != nil:
		return grammar.Choice(answer, w.Calls(functions)), nil
	}
	return w.Free(functions), nil
}

// arguments returns the grammar of a tool's arguments. Where the schema cannot be followed, they are any object, unless they must.
func (t *Tool) arguments(must bool) (*grammar.Grammar, error) {
	if len(t.Parameters) == 0 {
		return grammar.Literal("{}"), nil
	}
	g, err := jsonschema.Grammar(t.Parameters)
	switch {
	case err == nil:
		return g, nil
	case must || t.Strict:
		return nil, as(ErrTools, fmt.Errorf("the parameters of tool %q: %w", t.Name, err))
	}
	return jsonschema.Object(), nil
}
