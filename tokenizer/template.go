package tokenizer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
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

	// Reasoning is what an assistant thought before it said Content: the text
	// between <think> and </think>, without the tags. Templates know it as
	// reasoning_content.
	Reasoning string
	// ToolCalls are the functions that an assistant calls after Content.
	ToolCalls []ToolCall
	// ToolCallID and Name tell, in a tool's message, which call Content answers,
	// and of which function.
	ToolCallID, Name string
}

// ToolCall is a call of a function by an assistant.
type ToolCall struct {
	ID        string
	Name      string
	Arguments string // a JSON object, as the model wrote it
}

// TemplateOptions is what a chat template may ask for besides the messages.
type TemplateOptions struct {
	AddGenerationPrompt bool // end with the beginning of the assistant's turn

	// Tools the model may call, each a JSON schema of a function: a
	// json.RawMessage, which keeps the order of its keys, or anything that
	// encoding/json can marshal.
	Tools []any
	// ToolsInSystem puts the tools into the field tools of the system message, as
	// a JSON text, where the template of Phi-4-mini looks for them.
	ToolsInSystem bool
	// ArgumentsAsText gives the arguments of calls to the template as a JSON
	// text. Most templates expect the object.
	ArgumentsAsText bool

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

// dict is a message as templates read it: Transformers' form. Fields that are
// empty are not there, for templates ask whether they are.
func (m *Message) dict(argumentsAsText bool) jinja.Dict {
	d := jinja.Dict{{Key: "role", Value: m.Role}, {Key: "content", Value: m.Content}}
	add := func(key, value string) {
		if value != "" {
			d = append(d, jinja.Item{Key: key, Value: value})
		}
	}
	add("reasoning_content", m.Reasoning)
	if len(m.ToolCalls) > 0 {
		calls := make([]any, len(m.ToolCalls))
		for i, c := range m.ToolCalls {
			var arguments any = c.Arguments
			if raw := json.RawMessage(c.Arguments); !argumentsAsText && json.Valid(raw) {
				arguments = raw
			}
			calls[i] = jinja.Dict{{Key: "id", Value: c.ID}, {Key: "type", Value: "function"}, {Key: "function", Value: jinja.Dict{
				{Key: "name", Value: c.Name}, {Key: "arguments", Value: arguments}}}}
		}
		d = append(d, jinja.Item{Key: "tool_calls", Value: calls})
	}
	add("tool_call_id", m.ToolCallID)
	add("name", m.Name)
	return d
}

// Render returns the text of a conversation. It is an error if the template
// raises one, as many do for roles in an order that the model was not trained
// on, does what is not supported, or exceeds a limit: it wraps one of package
// jinja. A text of no characters is ErrEmptyPrompt.
func (t *Template) Render(ctx context.Context, messages []Message, opts TemplateOptions) (string, error) {
	if opts.Now.IsZero() {
		opts.Now = time.Now()
	}
	if opts.ToolsInSystem && (len(messages) == 0 || messages[0].Role != "system") {
		messages = append([]Message{{Role: "system"}}, messages...)
	}
	turns := make([]any, len(messages))
	for i := range messages {
		d := messages[i].dict(opts.ArgumentsAsText)
		if i == 0 && opts.ToolsInSystem {
			tools, err := toolsText(opts.Tools)
			if err != nil {
				return "", fmt.Errorf("chat template: tools: %w", err)
			}
			d = append(d, jinja.Item{Key: "tools", Value: tools})
		}
		turns[i] = d
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
	if len(opts.Tools) > 0 && !opts.ToolsInSystem {
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

// toolsText is a JSON list of tools. A json.RawMessage stays as it is.
func toolsText(tools []any) (string, error) {
	texts := make([]string, len(tools))
	for i, t := range tools {
		raw, ok := t.(json.RawMessage)
		if !ok {
			var err error
			if raw, err = json.Marshal(t); err != nil {
				return "", err
			}
		}
		texts[i] = string(raw)
	}
	return "[" + strings.Join(texts, ", ") + "]", nil
}
