package runtime

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"st/tokenizer"
)

// conversation is what a chat template is given.
type conversation struct {
	messages  []Message
	variables map[string]any
	tools     toolset
}

// texts returns the texts that people or models wrote.
func (c *conversation) texts() (all []string, err error) {
	note := func(text string) string {
		all = append(all, text)
		return text
	}
	_, _, err = c.marked(note)
	return all, err
}

// marked returns messages and tools with mark applied to what people or models wrote.
func (c *conversation) marked(mark func(string) string) (messages []Message, tools []json.RawMessage, err error) {
	messages = slices.Clone(c.messages)
	for i := range messages {
		m := &messages[i]
		for _, text := range []*string{&m.Content, &m.Reasoning, &m.ToolCallID, &m.Name} {
			*text = mark(*text)
		}
		m.ToolCalls = slices.Clone(m.ToolCalls)
		for j := range m.ToolCalls {
			call := &m.ToolCalls[j]
			call.ID, call.Name = mark(call.ID), mark(call.Name)
			switch arguments := json.RawMessage(call.Arguments); {
			case strings.TrimSpace(call.Arguments) == "":
				call.Arguments = "{}"
			case json.Valid(arguments):
				if arguments, err = markJSON(arguments, mark); err != nil {
					return nil, nil, as(ErrTools, fmt.Errorf("the arguments of a call of %q: %w", call.Name, err))
				}
				call.Arguments = string(arguments)
			default: // as a model wrote it
				call.Arguments = mark(call.Arguments)
			}
		}
	}
	for _, t := range c.tools.offered() {
		definition, err := t.definition(mark)
		if err != nil {
			return nil, nil, as(ErrTools, fmt.Errorf("the parameters of tool %q: %w", t.Name, err))
		}
		tools = append(tools, definition)
	}
	return messages, tools, nil
}

// usesTools reports whether the conversation has to do with tools at all.
func (c *conversation) usesTools() bool {
	return len(c.tools.list) > 0 || slices.ContainsFunc(c.messages, func(m Message) bool { return m.Role == "tool" || len(m.ToolCalls) > 0 })
}

// adapt writes into messages what the template does not write itself, and returns them with the options that the template needs.
func (d *dialect) adapt(messages []Message, tools []json.RawMessage, opts *tokenizer.TemplateOptions) []Message {
	opts.ArgumentsAsText, opts.ToolsInSystem = d.argumentsAsText, d.toolsInSystem && len(tools) > 0
	if len(tools) > 0 && d.tools {
		for _, t := range tools {
			opts.Tools = append(opts.Tools, t)
		}
	}
	var out []Message
	for _, m := range messages {
		m = d.message(m)
		// What came of several calls is one message, and so is what the user says next: many templates want roles to alternate.
		if n := len(out) - 1; m.Role == "user" && n >= 0 && out[n].Role == "user" && strings.HasSuffix(out[n].Content, resultEnd) {
			out[n].Content += "\n" + m.Content
			continue
		}
		out = append(out, m)
	}
	if len(tools) > 0 && !d.tools {
		out = d.instruct(out, tools)
	}
	return out
}

// What a result is written in, for templates that do not write the messages of tools.
const resultBegin, resultEnd = "<tool_response>\n", "\n</tool_response>"

// message returns a message as the template can write it.
func (d *dialect) message(m Message) Message {
	switch {
	case m.Role == "tool" && !d.results:
		return Message{Role: "user", Content: resultBegin + m.Content + resultEnd}
	case len(m.ToolCalls) > 0 && !d.calls:
		if m.Content != "" {
			m.Content += "\n"
		}
		m.Content += d.form.Write(calls(m.ToolCalls))
		m.ToolCalls = nil
	case d.shortIDs:
		if m.ToolCallID != "" {
			m.ToolCallID = shortID(m.ToolCallID)
		}
		for i := range m.ToolCalls {
			m.ToolCalls[i].ID = shortID(m.ToolCalls[i].ID)
		}
	}
	return m
}

// instruct tells the model of tools in the system message, or before the first message if the template writes none.
func (d *dialect) instruct(messages []Message, tools []json.RawMessage) []Message {
	var b strings.Builder
	b.WriteString("# Tools\n\nYou can call these functions. Each is described by a JSON object:\n<tools>\n")
	for _, t := range tools {
		b.Write(t)
		b.WriteByte('\n')
	}
	b.WriteString("</tools>\n\nTo call a function, write its name and arguments in this way, and nothing after it:\n" +
		d.form.Example() + "\n\n" +
		"The results come back in <tool_response></tool_response>.")
	text := b.String()
	switch {
	case d.system && len(messages) > 0 && messages[0].Role == "system":
		messages[0].Content = strings.TrimSpace(messages[0].Content + "\n\n" + text)
	case d.system || len(messages) == 0:
		messages = append([]Message{{Role: "system", Content: text}}, messages...)
	default:
		messages[0].Content = text + "\n\n" + messages[0].Content
	}
	return messages
}

// shortID returns an id of nine letters and digits: the id itself if it is one, else one that is made of it.
func shortID(id string) string {
	if len(id) == 9 && !strings.ContainsFunc(id, func(r rune) bool { return !strings.ContainsRune(alphanumeric, r) }) {
		return id
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // which never fails
	text := "000000000" + strconv.FormatUint(h.Sum64(), 36)
	return text[len(text)-9:]
}

const alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
