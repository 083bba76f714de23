package server

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"st/runtime"
)

// chatMessage is a message of a request, as OpenAI's and Ollama's clients write it.
type chatMessage struct {
	Role         string          `json:"role"`
	Content      *content        `json:"content"`
	Refusal      string          `json:"refusal"`           // OpenAI's, in place of the content
	Reasoning    string          `json:"reasoning_content"` // llama.cpp's, vLLM's and DeepSeek's name
	Thinking     string          `json:"thinking"`          // Ollama's
	ToolCalls    []chatToolCall  `json:"tool_calls"`
	ToolCallID   string          `json:"tool_call_id"`
	Name         string          `json:"name"`
	ToolName     string          `json:"tool_name"` // Ollama's
	FunctionCall json.RawMessage `json:"function_call"`
}

// chatToolCall is a call of a function by the model, in a request.
type chatToolCall struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string    `json:"name"`
		Arguments arguments `json:"arguments"`
	} `json:"function"`
}

// arguments are those of a call: JSON in a string, as OpenAI's clients write them, or the object itself, as Ollama's do.
type arguments string

func (a *arguments) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*a = arguments(text)
		return nil
	}
	*a = arguments(data)
	return nil
}

// readMessages reads the messages of a conversation. lenient says that any may lack a content. prefill is the text with which the answer is to begin: see
// cutPrefill.
func readMessages(list []json.RawMessage, lenient bool) (messages []runtime.Message, prefill string, err error) {
	if len(list) == 0 {
		return nil, "", badField("messages", "there must be a message at least")
	}
	t := transcript{lenient: lenient}
	for i, data := range list {
		if err := t.add(data, fmt.Sprintf("messages[%d]", i)); err != nil {
			return nil, "", err
		}
	}
	return cutPrefill(t.messages)
}

// cutPrefill takes the last message off a conversation if it is the assistant's, and returns its text: the answer continues it. A message that calls tools
// stays: its text is complete. So does one that has only what the model thought: there is no text that the answer could continue.
func cutPrefill(messages []runtime.Message) (before []runtime.Message, prefill string, err error) {
	n := len(messages) - 1
	last := messages[n]
	switch {
	case last.Role != "assistant", len(last.ToolCalls) > 0, last.Content == "" && last.Reasoning != "":
		return messages, "", nil
	case !slices.ContainsFunc(messages, func(m runtime.Message) bool { return m.Role == "user" || m.Role == "tool" }):
		return nil, "", badField("messages", "there must be a message of the user before the one with which the answer begins")
	}
	return messages[:n], last.Content, nil
}

// chatPrompt returns the prompt of a conversation and the beginning of its answer.
func chatPrompt(ctx context.Context, m *runtime.Model, messages []runtime.Message, prefill string, options ...runtime.ChatOption) (*runtime.ChatPrompt, error) {
	p, err := m.ChatPrompt(ctx, messages, options...)
	if err == nil && prefill != "" {
		p.Continue(prefill)
	}
	return p, err
}

// countPrompt returns how many tokens a prompt has for a model.
func (s *Server) countPrompt(r *http.Request, model string, prompt func(m *runtime.Model) (*runtime.ChatPrompt, error)) (n int, err error) {
	err = s.lend(r, model, func(m *runtime.Model) error {
		p, err := prompt(m)
		if err == nil {
			n = len(p.Tokens)
		}
		return err
	})
	return n, err
}

// lend calls use with the model of that name, which it loads. It waits for no place: use runs nothing.
func (s *Server) lend(r *http.Request, model string, use func(m *runtime.Model) error) error {
	sv, err := s.models.find(model)
	if err != nil {
		return err
	}
	serving(r.Context(), sv)
	if _, err := s.models.acquire(r.Context(), sv); err != nil {
		return err
	}
	defer s.models.release(sv, s.opts.KeepAlive)
	return use(sv.model)
}

// transcript collects the messages of a conversation.
type transcript struct {
	lenient  bool // messages may lack a content
	messages []runtime.Message
	names    map[string]string // of the functions that were called, by the ids of the calls
}

// add adds a message. path is where it stands.
func (t *transcript) add(data json.RawMessage, path string) error {
	var m chatMessage
	if err := decode(data, &m, path); err != nil {
		return err
	}
	switch m.Role {
	case "developer":
		m.Role = "system"
	case "system", "user", "assistant", "tool":
	default:
		return badField(path+".role", fmt.Sprintf("it is %q and must be system, developer, user, assistant or tool", m.Role))
	}
	if len(m.FunctionCall) > 0 {
		return badField(path+".function_call", "it is not supported: use tool_calls")
	}
	if m.Content == nil {
		if !t.lenient && (m.Role == "user" || m.Role == "system") {
			return badField(path+".content", "it is missing")
		}
		m.Content = new(content)
	}
	message := runtime.Message{Role: m.Role, Content: string(*m.Content)}
	switch m.Role {
	case "assistant":
		message.Content = cmp.Or(message.Content, m.Refusal)
		message.Reasoning = cmp.Or(m.Reasoning, m.Thinking)
		for i, c := range m.ToolCalls {
			at := fmt.Sprintf("%s.tool_calls[%d]", path, i)
			switch {
			case c.Type != "" && c.Type != "function":
				return badField(at+".type", fmt.Sprintf("it is %q and must be function", c.Type))
			case c.Function.Name == "":
				return badField(at+".function.name", "it is missing")
			}
			message.ToolCalls = append(message.ToolCalls, t.call(c.ID, c.Function.Name, string(c.Function.Arguments)))
		}
	case "tool":
		t.result(m.ToolCallID, cmp.Or(m.ToolName, m.Name), string(*m.Content))
		return nil
	}
	t.messages = append(t.messages, message)
	return nil
}

// call notes a call, and returns it.
func (t *transcript) call(id, name, arguments string) runtime.ToolCall {
	if t.names == nil {
		t.names = map[string]string{}
	}
	t.names[id] = name
	return runtime.ToolCall{ID: id, Name: name, Arguments: arguments}
}

// result adds what came of a call. An empty name is that of the function which was called.
func (t *transcript) result(id, name, text string) {
	if name == "" {
		name = t.names[id]
	}
	t.messages = append(t.messages, runtime.ToolResult(runtime.ToolCall{ID: id, Name: name}, text))
}

// assistant returns the assistant's message that the next part belongs to: the last one, or a new one.
func (t *transcript) assistant() *runtime.Message {
	if n := len(t.messages); n == 0 || t.messages[n-1].Role != "assistant" {
		t.messages = append(t.messages, runtime.Message{Role: "assistant"})
	}
	return &t.messages[len(t.messages)-1]
}
