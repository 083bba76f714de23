package server

import (
	"encoding/json"
	"fmt"

	"st/runtime"
)

// responsesInput is what was said: a user's text, or a list of items.
type responsesInput struct {
	text  string
	items []json.RawMessage // nil: text
}

func (p *responsesInput) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, &p.text) == nil {
		return nil
	}
	if json.Unmarshal(data, &p.items) != nil || p.items == nil {
		return wants("a string or an array of messages")
	}
	return nil
}

// conversation returns the conversation of a request.
func (q *responsesRequest) conversation() ([]runtime.Message, error) {
	var t transcript
	if q.Instructions != "" {
		t.messages = append(t.messages, runtime.Message{Role: "system", Content: q.Instructions})
	}
	if q.Input.items == nil {
		if q.Input.text == "" {
			return nil, badField("input", "it is missing")
		}
		return append(t.messages, runtime.Message{Role: "user", Content: q.Input.text}), nil
	}
	if len(q.Input.items) == 0 {
		return nil, badField("input", "there must be a message at least")
	}
	for i, data := range q.Input.items {
		if err := t.addItem(data, fmt.Sprintf("input[%d]", i)); err != nil {
			return nil, err
		}
	}
	return t.messages, nil
}

// responsesItem is an item of the input that is no message.
type responsesItem struct {
	Type      string    `json:"type"`
	CallID    string    `json:"call_id"`
	Name      string    `json:"name"`
	Arguments arguments `json:"arguments"`
	Output    content   `json:"output"`
	Role      string    `json:"role"`
	Content   []struct {
		Text string `json:"text"`
	} `json:"content"`
}

// addItem adds an item of the input. What the assistant thought, said and called is one message.
func (t *transcript) addItem(data json.RawMessage, path string) error {
	var kind struct {
		Type string `json:"type"`
		Role string `json:"role"`
	}
	if err := decode(data, &kind, path); err != nil {
		return err
	}
	switch kind.Type {
	case "", "message":
		return t.addMessage(data, kind.Role, path)
	case "function_call", "function_call_output", "reasoning":
	case "item_reference":
		return badField(path+".type", `"item_reference" is not supported: the server keeps no answers; send the item itself, as clients do with store false`)
	default:
		return badField(path+".type", fmt.Sprintf("%q is not supported: input is messages, function_call, function_call_output and reasoning", kind.Type))
	}
	var item responsesItem
	if err := decode(data, &item, path); err != nil {
		return err
	}
	switch {
	case kind.Type == "reasoning":
		for _, part := range item.Content {
			t.assistant().Reasoning += part.Text
		}
	case item.CallID == "":
		return badField(path+".call_id", "it is missing")
	case kind.Type == "function_call_output":
		t.result(item.CallID, "", string(item.Output))
	case item.Name == "":
		return badField(path+".name", "it is missing")
	default:
		m := t.assistant()
		m.ToolCalls = append(m.ToolCalls, t.call(item.CallID, item.Name, string(item.Arguments)))
	}
	return nil
}

// addMessage adds a message. One of the assistant belongs to the reasoning before it.
func (t *transcript) addMessage(data json.RawMessage, role, path string) error {
	n := len(t.messages)
	if err := t.add(data, path); err != nil {
		return err
	}
	if n == 0 || role != "assistant" || t.messages[n-1].Role != "assistant" {
		return nil
	}
	if before, m := &t.messages[n-1], t.messages[n]; before.Content == "" && len(before.ToolCalls) == 0 {
		before.Content = m.Content
		t.messages = t.messages[:n]
	}
	return nil
}
