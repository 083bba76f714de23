package tokenizer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"st/tokenizer/jinja"
)

// ErrEmptyPrompt is the error of a chat template that writes nothing for a
// conversation: there is nothing that a model could be given.
var ErrEmptyPrompt = errors.New("chat template: it writes nothing for this conversation")

// Message is one turn of a conversation.
type Message struct {
	Role    string // system, user, assistant or tool
	Content string
}

// TemplateOptions is what a chat template may ask for besides the messages.
type TemplateOptions struct {
	AddGenerationPrompt bool // end with the beginning of the assistant's turn

	// Tools the model may call, each a JSON schema of a function: a
	// json.RawMessage, which keeps the order of its keys, or anything that
	// encoding/json can marshal.
	Tools []any

	BOSToken, EOSToken string         // as the templates of some models write them
	Now                time.Time      // for strftime_now; the zero value means time.Now()
	Extra              map[string]any // further variables, such as enable_thinking
}

// Template is a chat template: it writes a conversation the way a model was
// trained to read it. It may be used by any number of goroutines at a time.
// Package jinja says what a template can do, and what limits it has.
type Template struct{ template *jinja.Template }

// ParseTemplate parses a Jinja chat template, see ChatTemplate. The error says
// what in it is malformed or unknown; it wraps one of package jinja.
func ParseTemplate(src string) (*Template, error) {
	t, err := jinja.Parse(src)
	if err != nil {
		return nil, fmt.Errorf("chat template: %w", err)
	}
	return &Template{t}, nil
}

// Render returns the text of a conversation. It is an error if the template
// raises one, as many do for roles in an order that the model was not trained
// on, does what is not supported, or exceeds a limit: it wraps one of package
// jinja. A text of no characters is ErrEmptyPrompt.
func (t *Template) Render(ctx context.Context, messages []Message, opts TemplateOptions) (string, error) {
	if opts.Now.IsZero() {
		opts.Now = time.Now()
	}
	turns := make([]any, len(messages))
	for i, m := range messages {
		turns[i] = jinja.Dict{{Key: "role", Value: m.Role}, {Key: "content", Value: m.Content}}
	}
	variables := map[string]any{
		"messages":              turns,
		"add_generation_prompt": opts.AddGenerationPrompt,
		"bos_token":             opts.BOSToken,
		"eos_token":             opts.EOSToken,
		"tools":                 nil,
		"documents":             nil,
		"strftime_now":          jinja.StrftimeNow(opts.Now),
	}
	if len(opts.Tools) > 0 {
		variables["tools"] = opts.Tools
	}
	maps.Copy(variables, opts.Extra)
	text, err := t.template.Render(ctx, variables)
	switch {
	case err != nil:
		return "", fmt.Errorf("chat template: %w", err)
	case text == "":
		return "", ErrEmptyPrompt
	}
	return text, nil
}
