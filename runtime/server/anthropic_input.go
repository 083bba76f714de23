package server

import (
	"encoding/json"
	"fmt"
	"strings"

	"st/runtime"
)

// anthropicBlockIn is a block of a message in a request.
type anthropicBlockIn struct {
	Type     string  `json:"type"`
	Text     *string `json:"text"`
	Thinking string  `json:"thinking"`

	ID    string          `json:"id"` // of tool_use
	Name  string          `json:"name"`
	Input json.RawMessage `json:"input"`

	ToolUseID string          `json:"tool_use_id"` // of tool_result
	Content   anthropicResult `json:"content"`
	IsError   bool            `json:"is_error"`
}

// anthropicBlocks are the blocks of a message; a string is one of text.
type anthropicBlocks []anthropicBlockIn

func (c *anthropicBlocks) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*c = anthropicBlocks{{Type: "text", Text: &one}}
		return nil
	}
	var list []json.RawMessage
	if json.Unmarshal(data, &list) != nil {
		return wants("a string or an array of blocks")
	}
	for _, block := range list {
		var kind struct {
			Type string `json:"type"`
		}
		if json.Unmarshal(block, &kind) != nil {
			return wants("a string or an array of blocks")
		}
		var b anthropicBlockIn
		switch kind.Type {
		case "text", "thinking", "tool_use", "tool_result":
			if err := json.Unmarshal(block, &b); err != nil {
				return err
			}
		case "redacted_thinking": // nothing that the model could read
			continue
		default:
			return wants(fmt.Sprintf("text: the models read no block of type %q", kind.Type))
		}
		if b.Type == "text" && b.Text == nil {
			return wants("blocks with a text")
		}
		*c = append(*c, b)
	}
	return nil
}

// anthropicText returns the text of blocks that are nothing else.
func anthropicText(data []byte) (string, error) {
	var blocks anthropicBlocks
	if err := blocks.UnmarshalJSON(data); err != nil {
		return "", err
	}
	var all []string
	for _, b := range blocks {
		if b.Type != "text" {
			return "", wants(fmt.Sprintf("text, not a block of type %q", b.Type))
		}
		all = append(all, *b.Text)
	}
	return strings.Join(all, "\n\n"), nil
}

// anthropicSystem is the system message, and anthropicResult what a tool returned: a string, or blocks of text.
type (
	anthropicSystem string
	anthropicResult string
)

func (c *anthropicSystem) UnmarshalJSON(data []byte) error {
	text, err := anthropicText(data)
	*c = anthropicSystem(text)
	return err
}

func (c *anthropicResult) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	text, err := anthropicText(data)
	*c = anthropicResult(text)
	return err
}

// conversation is readMessages for Anthropic's requests. Messages of one role that follow each other are one.
func (q *anthropicPrompt) conversation() (messages []runtime.Message, prefill string, err error) {
	if len(q.Thread) > 0 {
		return nil, "", errThread()
	}
	if len(q.Messages) == 0 {
		return nil, "", badField("messages", "at least one message is required")
	}
	var t transcript
	if q.System != "" {
		t.messages = append(t.messages, runtime.Message{Role: "system", Content: string(q.System)})
	}
	for i, data := range q.Messages {
		var m struct {
			Role    string          `json:"role"`
			Content anthropicBlocks `json:"content"`
		}
		path := fmt.Sprintf("messages.%d", i)
		if err := decode(data, &m, path); err != nil {
			return nil, "", err
		}
		switch m.Role {
		case "user", "assistant", "system":
		default:
			return nil, "", badField(path+".role", fmt.Sprintf("it is %q and must be user, assistant or system", m.Role))
		}
		if err := t.addBlocks(m.Role, m.Content, path); err != nil {
			return nil, "", err
		}
	}
	return cutPrefill(t.messages)
}

// errThread is the error of a request that begins or continues a conversation which the server is to keep. The code is Anthropic's: the tool runners of
// its clients send all of the conversation then, and no thread.
func errThread() *Error {
	e := badField("thread", "the server keeps no conversations: send all of it as messages")
	e.Code = "thread_unsupported_request"
	return e
}

// addBlocks adds the blocks of a message.
func (t *transcript) addBlocks(role string, blocks anthropicBlocks, path string) error {
	if n := len(t.messages); len(blocks) == 0 || n == 0 || t.messages[n-1].Role != role {
		if len(blocks) == 0 || blocks[0].Type != "tool_result" {
			t.messages = append(t.messages, runtime.Message{Role: role})
		}
	}
	for i, b := range blocks {
		at := fmt.Sprintf("%s.content.%d", path, i)
		assistant := b.Type == "thinking" || b.Type == "tool_use"
		switch {
		case b.Type != "text" && (assistant != (role == "assistant") || role == "system"):
			return badField(at+".type", fmt.Sprintf("a message of the %s has no block of type %s", role, b.Type))
		case b.Type == "tool_use" && b.Name == "":
			return badField(at+".name", "Field required")
		case b.Type == "tool_result" && b.ToolUseID == "":
			return badField(at+".tool_use_id", "Field required")
		}
		switch last := len(t.messages) - 1; b.Type {
		case "text":
			if t.messages[last].Role != role { // after a result
				t.messages = append(t.messages, runtime.Message{Role: role})
				last++
			}
			m := &t.messages[last]
			if m.Content != "" {
				m.Content += "\n\n"
			}
			m.Content += *b.Text
		case "thinking":
			t.messages[last].Reasoning += b.Thinking
		case "tool_use":
			t.messages[last].ToolCalls = append(t.messages[last].ToolCalls, t.call(b.ID, b.Name, string(b.Input)))
		case "tool_result":
			text := string(b.Content)
			if b.IsError {
				text = "Error: " + text
			}
			t.result(b.ToolUseID, "", text)
		}
	}
	return nil
}
