package runtime

import (
	"context"
	"encoding/json"
	"strings"

	"st/runtime/toolcall"
	"st/tokenizer"
)

// dialect is how a model's chat template writes tools, calls and their results, and how the model answers. It is found by trying: what the
// template does not write, is written into the texts of messages.
type dialect struct {
	form *toolcall.Form // of calls

	tools   bool // the template writes tools
	calls   bool // the template writes calls
	results bool // the template writes the messages of tools
	system  bool // the template writes the system message

	toolsInSystem, argumentsAsText bool // see tokenizer.TemplateOptions
	shortIDs                       bool // ids of calls have nine letters and digits
}

// What the template is tried with. An id has nine letters and digits, for Mistral's templates take no other.
const (
	probeSystem = "probeSystem"
	probeUser   = "probeUser"
	probeName   = "probeName"
	probeValue  = "probeValue"
	probeResult = "probeResult"
	probeID     = "probe1234"
)

// newDialect tries a template.
func newDialect(t *tokenizer.Template, opts tokenizer.TemplateOptions) *dialect {
	d := &dialect{}
	render := func(messages ...Message) string {
		text, err := t.Render(context.Background(), messages, opts)
		if err != nil {
			return "" // a template that refuses this does not write it
		}
		return text
	}
	user := Message{Role: "user", Content: probeUser}
	d.system = strings.Contains(render(Message{Role: "system", Content: probeSystem}, user), probeSystem)

	opts.Tools = []any{json.RawMessage(`{"type": "function", "function": {"name": "` + probeName + `", "description": "probe",` +
		` "parameters": {"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"]}}}`)}
	told := render(user)
	if d.tools = strings.Contains(told, probeName); !d.tools {
		opts.ToolsInSystem = true
		told = render(user)
		d.tools = strings.Contains(told, probeName)
		opts.ToolsInSystem = d.tools
	}
	if !d.tools {
		opts.Tools = nil
	}
	call := Message{Role: "assistant", ToolCalls: []ToolCall{{ID: probeID, Name: probeName, Arguments: `{"key": "` + probeValue + `"}`}}}
	result := Message{Role: "tool", Content: probeResult, ToolCallID: probeID, Name: probeName}
	written := ""
	for _, opts.ArgumentsAsText = range []bool{false, true} {
		written = render(user, call, result, user)
		if written == "" {
			written = render(user, call, result)
		}
		if d.calls = strings.Contains(squeeze(written), `"key":"`+probeValue+`"`) || strings.Contains(squeeze(written), `<parameter=key>`+probeValue); d.calls {
			break
		}
	}
	opts.ArgumentsAsText = opts.ArgumentsAsText && d.calls
	d.form = formOf(written, told, opts.ToolsInSystem)
	if d.form == nil { // one that is not known, or none: the template is told nothing of tools
		*d = dialect{form: toolcall.Hermes, system: d.system}
		opts.Tools, opts.ToolsInSystem, opts.ArgumentsAsText = nil, false, false
	}
	if !d.calls {
		call = Message{Role: "assistant", Content: probeName}
		written = render(user, call, result)
	}
	d.results = strings.Contains(written, probeResult)
	d.toolsInSystem, d.argumentsAsText = opts.ToolsInSystem, opts.ArgumentsAsText
	d.shortIDs = d.form == toolcall.Mistral || d.form == toolcall.MistralNamed
	return d
}

// formOf returns the form in which a template wrote a call, or of which it tells the model; nil if it is none of those that are known.
func formOf(written, told string, inSystem bool) *toolcall.Form {
	written = strings.ReplaceAll(written, toolcall.CallID+probeID, "")
	for _, f := range toolcall.Forms {
		if strings.Contains(squeeze(written), squeeze(f.First+f.Head(probeName))) {
			return f
		}
	}
	switch {
	case inSystem && strings.Contains(told, "<|tool|>"):
		return toolcall.Phi
	case strings.Contains(told, toolcall.Hermes.Begin) && strings.Contains(squeeze(told), `"arguments":`):
		return toolcall.Hermes
	}
	return nil
}

// squeeze returns a text without white space.
func squeeze(text string) string { return strings.Join(strings.Fields(text), "") }

// reasoningTags returns the tags that a chat template knows; those of most models if it knows none.
func reasoningTags(template string) toolcall.Tags {
	for _, tags := range toolcall.ReasoningTags {
		if strings.Contains(template, tags.Close) {
			return tags
		}
	}
	return toolcall.Think
}

// Reasons reports whether models with a chat template may think before they answer: whether the template knows of reasoning.
func Reasons(chatTemplate string) bool {
	return strings.Contains(chatTemplate, reasoningTags(chatTemplate).Close)
}

// Reasons reports whether the model may think before it answers.
func (m *Model) Reasons() bool { return Reasons(m.file.ChatTemplate) }
