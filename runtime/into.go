package runtime

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"reflect"

	"st/runtime/grammar/jsonschema"
)

// GenerateInto has the model answer a prompt with a value of a Go type, written as JSON of the type's schema: see [jsonschema.For] for the
// tags that say more. If the model has a chat template the prompt is a message, else it is continued.
//
//	type City struct {
//		Name       string `json:"name"`
//		Population int    `json:"population" jsonschema:"minimum=0"`
//		Climate    string `json:"climate" jsonschema:"enum=arctic|temperate|tropical"`
//	}
//	city, err := runtime.GenerateInto[City](ctx, m, "Describe Oslo as JSON with name, population and climate.", runtime.Generate{MaxTokens: 300})
//
// The model does not see the schema, so a prompt that names the fields gets better values. The JSON is always read without an error if it
// is complete; else, because MaxTokens or the context is too small, the error is [ErrUnfinished]. Generate.Grammar is not used.
func GenerateInto[T any](ctx context.Context, m *Model, prompt string, g Generate) (value T, err error) {
	schema, err := jsonschema.For(reflect.TypeFor[T]())
	if err != nil {
		return value, as(ErrGrammar, err)
	}
	if g.Grammar, err = jsonschema.Grammar(schema); err != nil {
		return value, as(ErrGrammar, err)
	}
	var pieces iter.Seq2[Piece, error]
	if m.CheckChat() == nil {
		c := m.NewChat()
		defer c.Close()
		pieces = c.Send(ctx, prompt, g)
	} else {
		pieces = m.Generate(ctx, prompt, g)
	}
	var r *Result
	for p, err := range pieces {
		if err != nil {
			return value, err
		}
		r = p.Done
	}
	if r.Unfinished {
		return value, fmt.Errorf("%s: %w: it has %d tokens, and was ended by %s", m.file.Path(), ErrUnfinished, len(r.Tokens), r.Stop)
	}
	if err := json.Unmarshal([]byte(r.Text), &value); err != nil {
		return value, fmt.Errorf("%s: the answer %q: %w", m.file.Path(), r.Text, err)
	}
	return value, nil
}
