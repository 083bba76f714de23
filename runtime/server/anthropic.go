package server

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"st/runtime"
)

// Anthropic's API, as https://docs.anthropic.com/en/api/messages describes it.

func (s *Server) routesAnthropic(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/messages", handler(s.anthropicMessages))
	mux.HandleFunc("POST /v1/messages/count_tokens", handler(s.anthropicCountTokens))
}

// anthropicModel is a model in Anthropic's form.
type anthropicModel struct {
	Type        string    `json:"type"`
	ID          string    `json:"id"`
	DisplayName string    `json:"display_name"`
	CreatedAt   time.Time `json:"created_at"`
}

func newAnthropicModel(m *ModelInfo) anthropicModel {
	return anthropicModel{"model", m.Name, m.Name, m.Modified.UTC()}
}

// isAnthropic reports whether a request is of Anthropic's API, which shares some paths with OpenAI's.
func isAnthropic(r *http.Request) bool {
	return r.Header.Get("anthropic-version") != "" || r.URL.Path == "/v1/messages" || strings.HasPrefix(r.URL.Path, "/v1/messages/")
}

// anthropicModels answers /v1/models, all on one page.
func (s *Server) anthropicModels(w http.ResponseWriter) {
	list := struct {
		Data    []anthropicModel `json:"data"`
		HasMore bool             `json:"has_more"`
		FirstID *string          `json:"first_id"`
		LastID  *string          `json:"last_id"`
	}{Data: []anthropicModel{}}
	for _, m := range s.Models() {
		list.Data = append(list.Data, newAnthropicModel(&m))
	}
	if n := len(list.Data); n > 0 {
		list.FirstID, list.LastID = &list.Data[0].ID, &list.Data[n-1].ID
	}
	writeJSON(w, http.StatusOK, list)
}

// anthropicError is an error in Anthropic's form.
type anthropicError struct {
	Type  string `json:"type"`
	Error struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	} `json:"error"`
	RequestID string `json:"request_id,omitempty"`
}

func newAnthropicError(e *Error) anthropicError {
	a := anthropicError{Type: "error"}
	a.Error.Message = e.Message
	switch s := e.Status; {
	case s == http.StatusUnauthorized:
		a.Error.Type = "authentication_error"
	case s == http.StatusForbidden:
		a.Error.Type = "permission_error"
	case s == http.StatusNotFound:
		a.Error.Type = "not_found_error"
	case s == http.StatusRequestEntityTooLarge:
		a.Error.Type = "request_too_large"
	case s == http.StatusTooManyRequests:
		a.Error.Type = "rate_limit_error"
	case s == http.StatusServiceUnavailable:
		a.Error.Type = "overloaded_error"
	case s == http.StatusGatewayTimeout:
		a.Error.Type = "timeout_error"
	case s < 500:
		a.Error.Type = "invalid_request_error"
	default:
		a.Error.Type = "api_error"
	}
	return a
}

func writeAnthropicError(w http.ResponseWriter, e *Error) {
	a := newAnthropicError(e)
	a.RequestID = "req_" + rand.Text()
	w.Header().Set("request-id", a.RequestID)
	writeJSON(w, e.Status, a)
}

// anthropicPrompt are the fields that /v1/messages and /v1/messages/count_tokens share.
type anthropicPrompt struct {
	Model      string            `json:"model"`
	System     anthropicContent  `json:"system"`
	Messages   []json.RawMessage `json:"messages"`
	Tools      []json.RawMessage `json:"tools"`
	ToolChoice struct {
		Type string `json:"type"`
	} `json:"tool_choice"`
	Thinking struct {
		Type string `json:"type"`
	} `json:"thinking"`
}

// anthropicContent is the text of a message: a string, or a list of blocks of which each has text. What the model thought before an earlier
// answer is left out, as Anthropic's models do.
type anthropicContent string

func (c *anthropicContent) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*c = anthropicContent(one)
		return nil
	}
	var blocks []struct {
		Type string  `json:"type"`
		Text *string `json:"text"`
	}
	if json.Unmarshal(data, &blocks) != nil {
		return wants("a string or an array of blocks")
	}
	var all []string
	for _, b := range blocks {
		switch {
		case b.Type == "thinking" || b.Type == "redacted_thinking":
		case b.Type != "text":
			return wants(fmt.Sprintf("text: the models read no block of type %q", b.Type))
		case b.Text == nil:
			return wants("blocks with a text")
		default:
			all = append(all, *b.Text)
		}
	}
	*c = anthropicContent(strings.Join(all, "\n\n"))
	return nil
}

// conversation returns the messages of a request, and the text with which the answer is to begin: the last message if it is the assistant's.
// Messages of one role that follow each other are one.
func (q *anthropicPrompt) conversation() (messages []runtime.Message, prefill string, err error) {
	if len(q.Messages) == 0 {
		return nil, "", badField("messages", "at least one message is required")
	}
	switch t := q.Thinking.Type; {
	case len(q.Tools) > 0 && q.ToolChoice.Type != "none":
		return nil, "", badField("tools", "calls of tools are not supported")
	case t != "" && t != "disabled" && t != "adaptive":
		return nil, "", badField("thinking", fmt.Sprintf("%q is not supported", t))
	}
	if q.System != "" {
		messages = append(messages, runtime.Message{Role: "system", Content: string(q.System)})
	}
	for i, data := range q.Messages {
		var m struct {
			Role    string           `json:"role"`
			Content anthropicContent `json:"content"`
		}
		path := fmt.Sprintf("messages.%d", i)
		if err := decode(data, &m, path); err != nil {
			return nil, "", err
		}
		switch m.Role {
		case "user", "assistant":
		case "system":
			return nil, "", badField(path+".role", "a system message is given in the field system")
		default:
			return nil, "", badField(path+".role", fmt.Sprintf("it is %q and must be user or assistant", m.Role))
		}
		if n := len(messages); n > 0 && messages[n-1].Role == m.Role {
			messages[n-1].Content += "\n\n" + string(m.Content)
		} else {
			messages = append(messages, runtime.Message{Role: m.Role, Content: string(m.Content)})
		}
	}
	if n := len(messages) - 1; messages[n].Role == "assistant" {
		messages, prefill = messages[:n], messages[n].Content
	}
	return messages, prefill, nil
}

// encodePrefilled returns the tokens of a conversation up to the answer, and of the answer's beginning.
func encodePrefilled(r *http.Request, m *runtime.Model, messages []runtime.Message, prefill string) ([]int32, error) {
	ids, err := m.EncodeChat(r.Context(), messages)
	if err != nil || prefill == "" {
		return ids, err
	}
	return append(ids, m.Tokenizer().Encode(prefill, false)...), nil
}

// anthropicCountTokens answers /v1/messages/count_tokens. It waits for no place: nothing is run.
func (s *Server) anthropicCountTokens(w http.ResponseWriter, r *http.Request, body []byte) error {
	var q anthropicPrompt
	if err := decode(body, &q, ""); err != nil {
		return err
	}
	messages, prefill, err := q.conversation()
	if err != nil {
		return err
	}
	sv, err := s.models.find(q.Model)
	if err != nil {
		return err
	}
	if _, err := s.models.acquire(r.Context(), sv); err != nil {
		return err
	}
	defer s.models.release(sv, s.opts.KeepAlive)
	logged(r.Context(), "model", sv.Name)
	ids, err := encodePrefilled(r, sv.model, messages, prefill)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct {
		InputTokens int `json:"input_tokens"`
	}{len(ids)})
	return nil
}
