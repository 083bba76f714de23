package server

import (
	"cmp"
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
	mux.HandleFunc("POST /v1/messages", s.queued(s.anthropicMessages))
	mux.HandleFunc("POST /v1/messages/count_tokens", handler(s.anthropicCountTokens))
}

// anthropicModel is a model in Anthropic's form.
type anthropicModel struct {
	Type        string    `json:"type"`
	ID          string    `json:"id"`
	DisplayName string    `json:"display_name"`
	CreatedAt   time.Time `json:"created_at"`

	// The context is common to both: an answer may fill what the input leaves of it.
	MaxInputTokens int    `json:"max_input_tokens"`
	MaxTokens      int    `json:"max_tokens"`
	Lifecycle      string `json:"lifecycle"`
	Deprecated     null   `json:"deprecated_at"`
	Retires        null   `json:"retires_at"`
	Line           null   `json:"line"`
	Capabilities   null   `json:"capabilities"`
}

func (s *Server) newAnthropicModel(m *ModelInfo) anthropicModel {
	context := cmp.Or(s.opts.Context, m.Config.Context)
	return anthropicModel{Type: "model", ID: m.Name, DisplayName: m.Name, CreatedAt: m.Modified.UTC(), MaxInputTokens: context, MaxTokens: context, Lifecycle: "active"}
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
		list.Data = append(list.Data, s.newAnthropicModel(&m))
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
		Type    string                 `json:"type"`
		Message string                 `json:"message"`
		Details *anthropicErrorDetails `json:"details,omitempty"`
	} `json:"error"`
	RequestID string `json:"request_id,omitempty"`
}

// anthropicErrorDetails tell programs more of an error than its type does.
type anthropicErrorDetails struct {
	ErrorCode string `json:"error_code"`
}

func newAnthropicError(e *Error) anthropicError {
	a := anthropicError{Type: "error"}
	a.Error.Message = e.Message
	if e.Code != "" {
		a.Error.Details = &anthropicErrorDetails{e.Code}
	}
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
	System     anthropicSystem   `json:"system"`
	Messages   []json.RawMessage `json:"messages"`
	Tools      []json.RawMessage `json:"tools"`
	ToolChoice struct {
		Type          string `json:"type"`
		Name          string `json:"name"`
		DisableOthers bool   `json:"disable_parallel_tool_use"`
	} `json:"tool_choice"`
	Thinking struct {
		Type string `json:"type"`
	} `json:"thinking"`
	Thread     json.RawMessage   `json:"thread"`      // a conversation that Anthropic's servers keep
	MCPServers []json.RawMessage `json:"mcp_servers"` // whose tools they run
}

// options returns what the chat template is told besides messages.
func (q *anthropicPrompt) options() ([]runtime.ChatOption, error) {
	var variables map[string]any
	switch t := q.Thinking.Type; t {
	case "", "adaptive", "between_tools": // as the model is used to
	case "enabled", "disabled":
		variables = map[string]any{"enable_thinking": t == "enabled"}
	default:
		return nil, badField("thinking.type", fmt.Sprintf("it is %q and must be enabled, adaptive, between_tools or disabled", t))
	}
	tools, err := q.tools()
	if err != nil {
		return nil, err
	}
	c := runtime.ToolChoice{Single: q.ToolChoice.DisableOthers}
	switch t := q.ToolChoice.Type; t {
	case "", "auto":
	case "none":
		c.Mode = runtime.ToolNone
	case "any":
		c.Mode = runtime.ToolRequired
	case "tool":
		if q.ToolChoice.Name == "" {
			return nil, badField("tool_choice.name", "Field required")
		}
		c.Mode, c.Names, c.Single = runtime.ToolRequired, []string{q.ToolChoice.Name}, true
	default:
		return nil, badField("tool_choice.type", fmt.Sprintf("it is %q and must be auto, any, tool or none", t))
	}
	return []runtime.ChatOption{runtime.Variables(variables), runtime.Tools(tools...), runtime.ChooseTools(c)}, checkChoice(c, "tool_choice", tools)
}

// tools returns the tools of a request: those of the client. Anthropic's own run on its servers.
func (q *anthropicPrompt) tools() (tools []runtime.Tool, err error) {
	if len(q.MCPServers) > 0 {
		return nil, badField("mcp_servers", "it is not supported: tools are the client's")
	}
	for i, data := range q.Tools {
		path := fmt.Sprintf("tools.%d", i)
		var t struct {
			Type        string          `json:"type"`
			Name        string          `json:"name"`
			Description string          `json:"description"`
			Schema      json.RawMessage `json:"input_schema"`
			Strict      *bool           `json:"strict"`
		}
		if err := decode(data, &t, path); err != nil {
			return nil, err
		}
		if t.Type != "" && t.Type != "custom" {
			return nil, badField(path+".type", fmt.Sprintf("%q is not supported: tools are the client's", t.Type))
		}
		f := function{t.Name, t.Description, t.Schema, t.Strict}
		tool, err := f.tool(path, path+".input_schema")
		if err != nil {
			return nil, err
		}
		tools = append(tools, tool)
	}
	return tools, checkNames(tools)
}

// anthropicCountTokens answers /v1/messages/count_tokens.
func (s *Server) anthropicCountTokens(w http.ResponseWriter, r *http.Request, body []byte) error {
	var q anthropicPrompt
	if err := decode(body, &q, ""); err != nil {
		return err
	}
	messages, prefill, err := q.conversation()
	if err != nil {
		return err
	}
	options, err := q.options()
	if err != nil {
		return err
	}
	n, err := s.countPrompt(r, q.Model, func(m *runtime.Model) (*runtime.ChatPrompt, error) {
		return chatPrompt(r.Context(), m, messages, prefill, options...)
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct {
		InputTokens int `json:"input_tokens"`
	}{n})
	return nil
}
