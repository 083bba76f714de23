package tokenizer

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

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
type Template struct {
	template *exec.Template
	names    []string // every name in the template, as a variable or otherwise
}

// ParseTemplate parses a Jinja chat template, see ChatTemplate. The error says
// what in it is malformed or unknown.
func ParseTemplate(src string) (t *Template, err error) {
	defer recoverTemplate(&err)
	resolved, err := resolveSpace(src)
	if err != nil {
		return nil, fmt.Errorf("chat template: %w", err)
	}
	const name = "/chat_template"
	loader, err := loaders.NewMemoryLoader(map[string]string{name: resolved}) // no other template is in reach
	if err != nil {
		return nil, fmt.Errorf("chat template: %w", err)
	}
	settings := config.New()
	settings.KeepTrailingNewline = true
	template, err := exec.NewTemplate(name, settings, loader, jinjaEnvironment)
	if err != nil {
		return nil, fmt.Errorf("chat template: %s", strings.TrimPrefix(err.Error(), fmt.Sprintf("failed to parse template '%s': ", resolved)))
	}
	names := map[string]bool{}
	for stream := tokens.LexAll(resolved, settings); !stream.End(); {
		if token := stream.Next(); token.Type == tokens.Name {
			names[token.Val] = true
		}
	}
	t = &Template{template: template}
	for name := range names {
		t.names = append(t.names, name)
	}
	return t, nil
}

// Render returns the text of a conversation. It is an error if the template
// raises one, as many do for roles in an order that the model was not trained
// on, or does what is not supported.
func (t *Template) Render(messages []Message, opts TemplateOptions) (text string, err error) {
	defer recoverTemplate(&err)
	if opts.Now.IsZero() {
		opts.Now = time.Now()
	}
	turns := make(list, len(messages))
	for i, m := range messages {
		turns[i] = message{"role": m.Role, "content": m.Content}
	}
	raised := ""
	variables := map[string]any{
		"messages":              turns,
		"add_generation_prompt": opts.AddGenerationPrompt,
		"bos_token":             opts.BOSToken,
		"eos_token":             opts.EOSToken,
		"tools":                 noneValue,
		"documents":             noneValue,
		"none":                  noneValue,
		"strftime_now":          func(format string) string { return strftime(opts.Now, format) },
		"raise_exception": func(reason *exec.Value) (string, error) {
			raised = reason.String()
			return "", fmt.Errorf("raised: %s", raised)
		},
	}
	extra := maps.Clone(opts.Extra)
	if len(opts.Tools) > 0 {
		if extra == nil {
			extra = map[string]any{}
		}
		extra["tools"] = opts.Tools
	}
	for name, value := range extra {
		if variables[name], err = templateValue(value); err != nil {
			return "", fmt.Errorf("chat template: variable %s: %w", name, err)
		}
	}
	for _, name := range t.names {
		if _, ok := variables[name]; !ok && !jinjaEnvironment.Context.Has(name) {
			variables[name] = undefinedValue
		}
	}
	text, err = t.template.ExecuteToString(exec.NewContext(variables))
	switch {
	case raised != "":
		return "", fmt.Errorf("chat template: %s", raised)
	case err != nil:
		return "", fmt.Errorf("chat template: %w", err)
	}
	return text, nil
}

// recoverTemplate turns a panic of the template engine, which checks less than
// Python does, into an error.
func recoverTemplate(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("chat template: the template engine failed: %v", r)
	}
}
