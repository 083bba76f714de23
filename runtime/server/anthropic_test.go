package server

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"st/runtime"
)

// anthropicEvents sends a request and returns the names and the data of the events that come.
func anthropicEvents(t *testing.T, c *client, body string) (names []string, data []map[string]any) {
	t.Helper()
	r := c.request(t, "/v1/messages", body, "anthropic-version", "2023-06-01")
	if got := r.Header.Get("Content-Type"); r.StatusCode != http.StatusOK || got != "text/event-stream" {
		t.Fatalf("%s: status %d, %s", body, r.StatusCode, got)
	}
	in := bufio.NewScanner(r.Body)
	for in.Scan() {
		if name, ok := strings.CutPrefix(in.Text(), "event: "); ok {
			names = append(names, name)
		} else if text, ok := strings.CutPrefix(in.Text(), "data: "); ok {
			var v map[string]any
			if err := json.Unmarshal([]byte(text), &v); err != nil || v["type"] != names[len(names)-1] {
				t.Fatalf("event %s has %s, %v", names[len(names)-1], text, err)
			}
			data = append(data, v)
		}
	}
	if in.Err() != nil || len(names) != len(data) {
		t.Fatalf("%q, %v", names, in.Err())
	}
	return names, data
}

// messageKeys are the fields of a message that the types of Anthropic's clients require.
var messageKeys = []string{"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "stop_details", "container", "diagnostics", "usage"}

// A message answers what the library does, whole and streamed.
func TestAnthropicMessages(t *testing.T) {
	c := start(t, Options{APIKey: "secret"})
	body := `{"model": "tiny", "max_tokens": 12, "temperature": 0, "system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}],
		"messages": [{"role": "user", "content": [{"type": "text", "text": "Who is there?"}]}], "metadata": {"user_id": "u"}%s}`
	want := say(t, runtime.Generate{MaxTokens: 12, Temperature: new(0.0)}, runtime.Message{Role: "system", Content: "S"}, runtime.Message{Role: "user", Content: "Who is there?"})
	a := get[map[string]any](t, c, "/v1/messages", fmt.Sprintf(body, ""), "x-api-key", "secret", "anthropic-version", "2023-06-01")
	wantKeys(t, "the message", a, messageKeys...)
	usage := a["usage"].(map[string]any)
	wantKeys(t, "usage", usage, "input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens_details",
		"cache_creation", "server_tool_use", "inference_geo", "service_tier", "speed")
	block := a["content"].([]any)[0].(map[string]any)
	wantKeys(t, "the block", block, "type", "text", "citations")
	if list, ok := block["citations"].([]any); !ok || len(list) != 0 {
		t.Errorf("the citations are %v, want an empty list, which all clients take", block["citations"])
	}
	if !strings.HasPrefix(a["id"].(string), "msg_") || a["type"] != "message" || a["role"] != "assistant" || a["model"] != "tiny" || block["type"] != "text" ||
		block["text"] != want.Text || a["stop_reason"] != "max_tokens" || a["stop_sequence"] != nil {
		t.Errorf("%v, want %q", a, want.Text)
	}
	if usage["input_tokens"] != float64(want.PromptTokens) || usage["output_tokens"] != float64(len(want.Tokens)) || usage["cache_read_input_tokens"] != 0.0 {
		t.Errorf("usage is %v", usage)
	}
	// The same prompt again: all but its last token is in the cache.
	again := get[anthropicMessage](t, c, "/v1/messages", fmt.Sprintf(body, ""), "Authorization", "Bearer secret")
	if u := again.Usage; u.InputTokens != 1 || u.CacheReadTokens != want.PromptTokens-1 || *again.Content[0].Text != want.Text {
		t.Errorf("again: %+v", again)
	}
}

func TestAnthropicStream(t *testing.T) {
	c := start(t, Options{})
	g := runtime.Generate{MaxTokens: 12, Temperature: new(0.0)}
	user := runtime.Message{Role: "user", Content: "Speak"}
	want := say(t, g, user)
	names, data := anthropicEvents(t, c, `{"model": "tiny", "max_tokens": 12, "temperature": 0, "stream": true, "messages": [{"role": "user", "content": "Speak"}]}`)
	text := ""
	for i, name := range names {
		if name == "content_block_delta" {
			d := data[i]["delta"].(map[string]any)
			if text += d["text"].(string); d["type"] != "text_delta" || data[i]["index"] != 0.0 {
				t.Errorf("%v", data[i])
			}
		}
	}
	if text != want.Text {
		t.Errorf("%q, want %q", text, want.Text)
	}
	got := slices.Compact(slices.Clone(names))
	if order := []string{"message_start", "ping", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop"}; !slices.Equal(got, order) {
		t.Errorf("events are %q, want %q", got, order)
	}
	m := data[0]["message"].(map[string]any)
	wantKeys(t, "message_start", m, messageKeys...)
	if content, ok := m["content"].([]any); !ok || len(content) != 0 || m["stop_reason"] != nil || m["usage"].(map[string]any)["input_tokens"] != float64(want.PromptTokens) {
		t.Errorf("message_start has %v", m)
	}
	if b := data[slices.Index(names, "content_block_start")]; b["index"] != 0.0 || b["content_block"].(map[string]any)["type"] != "text" || b["content_block"].(map[string]any)["text"] != "" {
		t.Errorf("content_block_start has %v", b)
	}
	end := data[len(data)-2]
	wantKeys(t, "message_delta", end, "type", "delta", "usage")
	wantKeys(t, "its delta", end["delta"].(map[string]any), "stop_reason", "stop_sequence", "stop_details", "container")
	if end["delta"].(map[string]any)["stop_reason"] != "max_tokens" || end["usage"].(map[string]any)["output_tokens"] != float64(len(want.Tokens)) {
		t.Errorf("message_delta has %v", end)
	}
	wantKeys(t, "message_stop", data[len(data)-1], "type")
}

func TestAnthropicOptions(t *testing.T) {
	c := start(t, Options{})
	g := runtime.Generate{MaxTokens: 12, Temperature: new(0.0)}
	user := runtime.Message{Role: "user", Content: "Speak"}
	want := say(t, g, user)
	ask := func(fields string) anthropicMessage {
		return get[anthropicMessage](t, c, "/v1/messages", `{"model": "tiny", "max_tokens": 12, `+fields+`}`)
	}
	speak := `"messages": [{"role": "user", "content": "Speak"}]`
	stop := strings.Fields(want.Text)[1]
	if a := ask(fmt.Sprintf(`%s, "temperature": 0, "stop_sequences": ["never", %q]`, speak, stop)); *a.StopReason != "stop_sequence" || *a.StopSequence != stop ||
		strings.Contains(*a.Content[0].Text, stop) {
		t.Errorf("a stop sequence: %+v", a)
	}
	for _, fields := range []string{`"temperature": 1, "top_k": 1`, `"temperature": 1, "top_p": 0`, `"temperature": 0, "thinking": {"type": "disabled"}`, `"temperature": 0, "thinking": {"type": "between_tools"}`,
		`"temperature": 0, "tools": [{"name": "f"}], "tool_choice": {"type": "none"}`} {
		if a := ask(speak + ", " + fields); *a.Content[0].Text != want.Text {
			t.Errorf("%s: %+v, want %q", fields, a, want.Text)
		}
	}
	// Messages of one role are one, and earlier thoughts are left out.
	joined := say(t, g, runtime.Message{Role: "user", Content: "A\n\nB\n\nC"}, runtime.Message{Role: "assistant", Content: "D"}, user)
	if a := ask(`"temperature": 0, "messages": [{"role": "user", "content": "A"}, {"role": "user", "content": [{"type": "text", "text": "B"}, {"type": "text", "text": "C"}]},
		{"role": "assistant", "content": [{"type": "thinking", "thinking": "x", "signature": "y"}, {"type": "text", "text": "D"}]}, {"role": "user", "content": "Speak"}]`); *a.Content[0].Text != joined.Text {
		t.Errorf("joined: %+v, want %q", a, joined.Text)
	}
	// A system message stands where it is said. The first one belongs to the field system.
	system := say(t, g, runtime.Message{Role: "system", Content: "R\n\nS"}, runtime.Message{Role: "user", Content: "A"}, runtime.Message{Role: "system", Content: "T"}, user)
	if a := ask(`"temperature": 0, "system": "R", "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "A"},
		{"role": "system", "content": [{"type": "text", "text": "T"}]}, {"role": "user", "content": "Speak"}]`); *a.Content[0].Text != system.Text {
		t.Errorf("system messages: %+v, want %q", a, system.Text)
	}
	// A last message of the assistant is continued.
	first := want.Text[:strings.LastIndex(want.Text, " ")]
	m := openModel(t)
	ids, err := m.EncodeChat(t.Context(), []runtime.Message{user})
	if err != nil {
		t.Fatal(err)
	}
	rest := run(t, m, append(ids, m.Tokenizer().Encode(first, false)...), g)
	list, _ := json.Marshal([]map[string]string{{"role": "user", "content": "Speak"}, {"role": "assistant", "content": first}})
	if a := ask(`"temperature": 0, "messages": ` + string(list)); *a.Content[0].Text != rest.Text || !strings.HasPrefix(first+rest.Text, want.Text) {
		t.Errorf("after %q: %+v, want %q", first, a, rest.Text)
	}
	// A model that ends its text at once.
	end := m.EndTokens()[0]
	done := run(t, m, ids, runtime.Generate{LogitBias: map[int32]float64{end: 100}, Temperature: new(0.0)})
	var a anthropicMessage
	if a.finish(done); *a.StopReason != "end_turn" || a.StopSequence != nil || a.Usage.OutputTokens != 0 {
		t.Errorf("at an end token: %+v", a)
	}
	if a.finish(&runtime.Result{Stop: runtime.StopContext}); *a.StopReason != "model_context_window_exceeded" {
		t.Errorf("at the end of the context: %+v", a)
	}
}

func TestAnthropicModel(t *testing.T) {
	c := start(t, Options{})
	for path, of := range map[string]func(map[string]any) map[string]any{
		"/v1/models/tiny": func(v map[string]any) map[string]any { return v },
		"/v1/models":      func(v map[string]any) map[string]any { return v["data"].([]any)[0].(map[string]any) },
	} {
		m := of(get[map[string]any](t, c, path, "", "anthropic-version", "2023-06-01"))
		wantKeys(t, path, m, "type", "id", "display_name", "created_at", "max_input_tokens", "max_tokens", "lifecycle", "deprecated_at", "retires_at", "line", "capabilities")
		if m["id"] != "tiny" || m["max_input_tokens"] != 1024.0 || m["lifecycle"] != "active" {
			t.Errorf("%s: %v", path, m)
		}
	}
}

func TestAnthropicCountTokens(t *testing.T) {
	c := start(t, Options{})
	want, err := openModel(t).EncodeChat(t.Context(), []runtime.Message{{Role: "system", Content: "S"}, {Role: "user", Content: "Who is there?"}})
	if err != nil {
		t.Fatal(err)
	}
	n := get[map[string]int](t, c, "/v1/messages/count_tokens", `{"model": "tiny", "system": "S", "messages": [{"role": "user", "content": "Who is there?"}]}`)
	if len(n) != 1 || n["input_tokens"] != len(want) {
		t.Errorf("%v, want %d", n, len(want))
	}
}

// The server keeps no threads. The code of the error has the tool runners of Anthropic's clients go on without.
func TestAnthropicThread(t *testing.T) {
	c := start(t, Options{})
	for _, thread := range []string{`{"type": "create"}`, `{"type": "continue", "previous_message_id": "msg_1"}`} {
		r := c.request(t, "/v1/messages", `{"model": "tiny", "max_tokens": 4, "messages": [{"role": "user", "content": "x"}], "thread": `+thread+`}`)
		var e anthropicError
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil || r.StatusCode != http.StatusBadRequest || e.Error.Details == nil ||
			e.Error.Details.ErrorCode != "thread_unsupported_request" || !strings.Contains(e.Error.Message, "thread: the server keeps no conversations") {
			t.Errorf("%s: status %d, %+v, %v", thread, r.StatusCode, e, err)
		}
	}
	get[anthropicMessage](t, c, "/v1/messages", `{"model": "tiny", "max_tokens": 4, "messages": [{"role": "user", "content": "x"}], "thread": null}`)
}

func TestAnthropicErrors(t *testing.T) {
	c := start(t, Options{Models: []string{modelPath, otherPath}})
	const one = `"messages": [{"role": "user", "content": "x"}]`
	for _, tt := range []struct {
		path, body   string
		status       int
		typ, message string
	}{
		{"/v1/messages", `[]`, 400, "invalid_request_error", "must be a JSON object"},
		{"/v1/messages", `{"model": "tiny", ` + one + `}`, 400, "invalid_request_error", "max_tokens: Field required"},
		{"/v1/messages", `{"model": "tiny", "max_tokens": 0, ` + one + `}`, 400, "invalid_request_error", "max_tokens: it is 0"},
		{"/v1/messages", `{"model": "tiny", "max_tokens": "4", ` + one + `}`, 400, "invalid_request_error", "max_tokens: it must be a whole number"},
		{"/v1/messages", `{"model": "tiny", "max_tokens": 4}`, 400, "invalid_request_error", "messages: at least one message is required"},
		{"/v1/messages", `{"model": "tiny", "max_tokens": 4, "system": "S", "messages": [{"role": "assistant", "content": "x"}]}`, 400, "invalid_request_error", "messages: there must be a message of the user"},
		{"/v1/messages", `{"model": "tiny", "max_tokens": 4, "messages": [{"role": "system", "content": [{"type": "tool_result", "tool_use_id": "a"}]}]}`, 400, "invalid_request_error", "messages.0.content.0.type: a message of the system has no block of type tool_result"},
		{"/v1/messages", `{"model": "tiny", "max_tokens": 4, "messages": [{"role": "tool", "content": "x"}]}`, 400, "invalid_request_error", "messages.0.role"},
		{"/v1/messages", `{"model": "tiny", "max_tokens": 4, "messages": [{"role": "user", "content": [{"type": "image"}]}]}`, 400, "invalid_request_error", `messages.0.content: it must be text: the models read no block of type "image"`},
		{"/v1/messages", `{"model": "tiny", "max_tokens": 4, "messages": [{"role": "user", "content": 1}]}`, 400, "invalid_request_error", "messages.0.content"},
		{"/v1/messages", `{"model": "tiny", "max_tokens": 4, "tools": [{}], ` + one + `}`, 400, "invalid_request_error", "tools.0.name: it is missing"},
		{"/v1/messages", `{"model": "tiny", "max_tokens": 4, "thinking": {"type": "hard"}, ` + one + `}`, 400, "invalid_request_error", "thinking.type: it is \"hard\""},
		{"/v1/messages", `{"model": "tiny", "max_tokens": 4, "top_p": 2, ` + one + `}`, 400, "invalid_request_error", "top_p: it is 2"},
		{"/v1/messages", `{"model": "tiny", "max_tokens": 4, "stop_sequences": [""], ` + one + `}`, 400, "invalid_request_error", "stop_sequences: a text is empty"},
		{"/v1/messages", `{"model": "tiny", "max_tokens": 4, "stop_sequences": [1], ` + one + `}`, 400, "invalid_request_error", "stop_sequences"},
		{"/v1/messages", `{"model": "claude", "max_tokens": 4, ` + one + `}`, 404, "not_found_error", `"claude"`},
		{"/v1/messages/count_tokens", `{"model": "claude", ` + one + `}`, 404, "not_found_error", `"claude"`},
		{"/v1/messages/count_tokens", `{"model": "tiny"}`, 400, "invalid_request_error", "messages: at least one"},
		{"/v1/messages/batches", `{}`, 404, "not_found_error", "there is nothing at POST /v1/messages/batches"},
		{"/v1/messages", `{"model": "tiny", "max_tokens": 4, "stream": true, "messages": [{"role": "user", "content": "` + strings.Repeat("king ", 10000) + `"}]}`, 400, "invalid_request_error", "context"},
	} {
		r := c.request(t, tt.path, tt.body)
		var e map[string]any
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil || r.StatusCode != tt.status || e["type"] != "error" {
			t.Errorf("%s %.200s: %d, %v, %v", tt.path, tt.body, r.StatusCode, e, err)
			continue
		}
		wantKeys(t, "the error", e, "type", "error", "request_id")
		inner := e["error"].(map[string]any)
		if inner["type"] != tt.typ || !strings.Contains(inner["message"].(string), tt.message) || e["request_id"] != r.Header.Get("request-id") {
			t.Errorf("%s %.200s: %v, want %s, %q", tt.path, tt.body, e, tt.typ, tt.message)
		}
	}
	for status, typ := range map[int]string{403: "permission_error", 413: "request_too_large", 429: "rate_limit_error", 500: "api_error", 503: "overloaded_error", 504: "timeout_error"} {
		if e := newAnthropicError(&Error{Status: status}); e.Error.Type != typ {
			t.Errorf("%d is %s", status, e.Error.Type)
		}
	}
}
