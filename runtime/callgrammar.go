package runtime

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"st/runtime/grammar"
	"st/runtime/grammar/jsonschema"
	"st/runtime/lru"
	"st/runtime/toolcall"
)

// callGrammar is the grammar of answers with calls: a program sends the same tools with every request, and their schemas take longer to read than a
// token to compute.
type callGrammar struct {
	grammar *grammar.Grammar
	schemas int // bytes
}

// size is about what the grammar takes: some kilobytes, and ten times its schemas.
func (c callGrammar) size() int { return 16<<10 + 10*c.schemas }

// key returns what tells apart sets of tools, with the grammar of answers without calls, whose answers have other grammars.
func (s *toolset) key(answer *grammar.Grammar) (lru.Key, error) {
	var text [sha256.Size]byte
	if answer != nil {
		text = answer.Fingerprint()
	}
	data, err := json.Marshal(struct {
		Tools  []Tool
		Choice ToolChoice
		Answer [sha256.Size]byte
	}{s.list, s.choice, text})
	return sha256.Sum256(data), err
}

// size returns the bytes of all schemas.
func (s *toolset) size() (n int) {
	for _, t := range s.list {
		n += len(t.Parameters) + len(t.Name)
	}
	return n
}

// callGrammar returns the grammar of answers with calls. answer is that of answers without; nil: any text.
func (p *ChatPrompt) callGrammar(ctx context.Context, answer *grammar.Grammar) (*grammar.Grammar, error) {
	key, err := p.tools.key(answer)
	if err != nil {
		return nil, as(ErrTools, err)
	}
	c, err := p.model.grammars.calls.Get(ctx, key, func() (callGrammar, error) {
		g, err := p.newCallGrammar(ctx, answer)
		return callGrammar{g, p.tools.size()}, err
	})
	return c.grammar, err
}

func (p *ChatPrompt) newCallGrammar(ctx context.Context, answer *grammar.Grammar) (*grammar.Grammar, error) {
	w := toolcall.Writing{Form: p.reading.Form, Special: p.special, Single: p.tools.choice.Single}
	required := p.tools.choice.Mode == ToolRequired
	var functions []toolcall.Function
	for _, t := range p.tools.list {
		if names := p.tools.choice.Names; len(names) > 0 && !slices.Contains(names, t.Name) {
			continue
		}
		arguments, err := t.arguments(ctx, required)
		if err == nil && required {
			err = p.model.hasObject(ctx, &t, arguments)
		}
		if err != nil {
			return nil, err
		}
		f := toolcall.Function{Name: t.Name, Arguments: arguments}
		if w.Form.Tagged {
			if f.Parameters, err = t.parameters(ctx); err != nil {
				return nil, err
			}
		}
		functions = append(functions, f)
	}
	switch {
	case required:
		return w.Calls(functions), nil
	case answer != nil:
		return grammar.Choice(answer, w.Calls(functions)), nil
	}
	return w.Free(functions), nil
}

// hasObject checks that some object is valid against the parameters of a tool, whose grammar is given: no call of it could be written.
func (m *Model) hasObject(ctx context.Context, t *Tool, arguments *grammar.Grammar) error {
	if _, err := m.grammars.vocabulary().CompileContext(ctx, arguments); errors.Is(err, grammar.ErrEmpty) {
		return as(ErrTools, fmt.Errorf("the parameters of tool %q: no object is valid against them: %w", t.Name, err))
	}
	return nil
}

// arguments returns the grammar of a tool's arguments. Where the schema cannot be followed, they are any object, unless they must.
func (t *Tool) arguments(ctx context.Context, must bool) (*grammar.Grammar, error) {
	if len(t.Parameters) == 0 {
		return grammar.Literal("{}"), nil
	}
	g, err := jsonschema.ObjectsContext(ctx, t.Parameters)
	switch {
	case err == nil:
		return g, nil
	case ctx.Err() != nil:
		return nil, err
	case must || t.Strict:
		return nil, as(ErrTools, fmt.Errorf("the parameters of tool %q: %w", t.Name, err))
	}
	return jsonschema.Object(), nil
}
