package tokenizer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"st/format"
	"st/format/plaintext"
	"st/tokenizer/hffile"
)

// NamedTemplate is one of several chat templates of a model.
type NamedTemplate struct {
	Name     string `json:"name"`
	Template string `json:"template"`
}

// ChooseTemplate returns the chat template to use of several, as Transformers
// chooses: the one named "tool_use" if the model is given tools, else the one
// named "default". If there is none of that name, which Transformers refuses,
// it is the other of the two, else the first; the zero value if there are none.
func ChooseTemplate(templates []NamedTemplate, tools bool) NamedTemplate {
	names := []string{"default", "tool_use"}
	if tools {
		slices.Reverse(names)
	}
	for _, name := range names {
		for _, t := range templates {
			if t.Name == name {
				return t
			}
		}
	}
	if len(templates) == 0 {
		return NamedTemplate{}
	}
	return templates[0]
}

// ErrChatTemplate is the error of a file that is JSON and whose chat templates
// are not where they should be: a model runs without one.
var ErrChatTemplate = errors.New("no chat template is read")

// ChatTemplates returns the chat templates in a tokenizer_config.json, or in a
// chat_template.json, which has the same field chat_template: a template, which
// is named "default" here, or a list of named ones, or an object of them. It
// returns none if the file has none. The error does not name the file.
//
// Newer models keep templates in files of their own, whose text goes to
// ParseTemplate directly: chat_template.jinja, which is the default and comes
// before any other, and additional_chat_templates/NAME.jinja.
func ChatTemplates(data []byte) ([]NamedTemplate, error) {
	var config struct {
		ChatTemplate json.RawMessage `json:"chat_template"`
	}
	if err := format.CheckPointer(data); err != nil {
		return nil, err
	}
	if err := hffile.Unmarshal(data, &config); errors.Is(err, hffile.ErrNotJSON) || errors.Is(err, plaintext.ErrNotText) {
		return nil, err
	} else if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrChatTemplate, err)
	}
	raw := []byte(cmp.Or(string(config.ChatTemplate), "null"))
	var template *string
	var named []NamedTemplate
	var byName map[string]string
	switch {
	case json.Unmarshal(raw, &template) == nil:
		if template != nil && *template != "" {
			named = []NamedTemplate{{"default", *template}}
		}
	case json.Unmarshal(raw, &named) == nil:
	case json.Unmarshal(raw, &byName) == nil:
		named = nil
		for _, name := range slices.Sorted(maps.Keys(byName)) {
			named = append(named, NamedTemplate{name, byName[name]})
		}
	default:
		return nil, fmt.Errorf("%w: field chat_template is neither a text nor a list of named templates", ErrChatTemplate)
	}
	return named, nil
}

// ChatTemplate returns the chat template in a tokenizer_config.json for a
// conversation without tools; see ChatTemplates and ChooseTemplate. It returns
// "" if there is none.
func ChatTemplate(tokenizerConfigJSON []byte) (string, error) {
	named, err := ChatTemplates(tokenizerConfigJSON)
	if err != nil {
		return "", fmt.Errorf("tokenizer_config.json: %w", err)
	}
	return ChooseTemplate(named, false).Template, nil
}
