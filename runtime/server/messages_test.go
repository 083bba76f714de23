package server

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"st/runtime"
)

// A last message of the assistant is the beginning of the answer, which comes without it.
func TestContinues(t *testing.T) {
	c, m := start(t, Options{}), openModel(t)
	g := runtime.Generate{MaxTokens: 12, Temperature: new(0.0)}
	user := runtime.Message{Role: "user", Content: "Speak"}
	whole := say(t, g, user).Text
	begun := whole[:strings.LastIndex(whole, " ")]
	ids, err := m.EncodeChat(t.Context(), []runtime.Message{user})
	if err != nil {
		t.Fatal(err)
	}
	rest := run(t, m, append(ids, m.Tokenizer().Encode(begun, false)...), g).Text
	last, _ := json.Marshal(map[string]string{"role": "assistant", "content": begun})
	for _, tt := range []struct{ name, messages, want string }{
		{"the beginning of an answer", `[{"role": "user", "content": "Speak"}, ` + string(last) + `]`, rest},
		{"nothing of an answer", `[{"role": "user", "content": "Speak"}, {"role": "assistant", "content": ""}]`, whole},
	} {
		a := get[chatCompletion](t, c, "/v1/chat/completions", `{"temperature": 0, "max_tokens": 12, "messages": `+tt.messages+`}`)
		if chatText(a) != tt.want {
			t.Errorf("OpenAI, %s: %q, want %q", tt.name, chatText(a), tt.want)
		}
		o := get[ollamaAnswer](t, c, "/api/chat", `{"stream": false, "options": {"temperature": 0, "num_predict": 12}, "messages": `+tt.messages+`}`)
		if o.Message.Content != tt.want {
			t.Errorf("Ollama, %s: %q, want %q", tt.name, o.Message.Content, tt.want)
		}
	}
}

// Which last messages begin the answer. Before one that does, somebody must have said something.
func TestPrefill(t *testing.T) {
	const system, user, tool, answer = `{"role": "system", "content": "S"}`, `{"role": "user", "content": "U"}`, `{"role": "tool", "content": "T"}`,
		`{"role": "assistant", "content": "I"}`
	const refused = "messages: there must be a message of the user before the one with which the answer begins"
	for _, tt := range []struct {
		name, messages string
		left           int // of the messages
		prefill, err   string
	}{
		{"the beginning of an answer", user + `,` + answer, 1, "I", ""},
		{"nothing of an answer", user + `, {"role": "assistant", "content": ""}`, 1, "", ""},
		{"after a tool", system + `,` + tool + `,` + answer, 2, "I", ""},
		{"a call", user + `, {"role": "assistant", "content": "I look.", "tool_calls": [{"id": "c", "function": {"name": "clock", "arguments": "{}"}}]}`, 2, "", ""},
		{"reasoning alone", user + `, {"role": "assistant", "reasoning_content": "R"}`, 2, "", ""},
		{"reasoning alone, Ollama's", user + `, {"role": "assistant", "content": "", "thinking": "R"}`, 2, "", ""},
		{"before anything else", answer, 0, "", refused},
		{"after a system message", system + `,` + answer, 0, "", refused},
		{"after two of them", system + `,` + system + `,` + answer, 0, "", refused},
		{"after an answer", answer + `,` + answer, 0, "", refused},
	} {
		var list []json.RawMessage
		if err := json.Unmarshal([]byte(`[`+tt.messages+`]`), &list); err != nil {
			t.Fatal(err)
		}
		messages, prefill, err := readMessages(list, true)
		said := ""
		if err != nil {
			said = err.Error()
		}
		if len(messages) != tt.left || prefill != tt.prefill || said != tt.err {
			t.Errorf("%s: %d messages, then %q, %q; want %d, %q, %q", tt.name, len(messages), prefill, said, tt.left, tt.prefill, tt.err)
		}
	}
}

// What an answer must be like holds for the whole of it: the request cannot have begun it. What the model thinks before is no part of that.
func TestContinuesWithGrammar(t *testing.T) {
	c := start(t, Options{})
	messages := func(begun string) string {
		last, _ := json.Marshal(map[string]string{"role": "assistant", "content": begun})
		return `"messages": [{"role": "user", "content": "Speak"}, ` + string(last) + `]`
	}
	for _, tt := range []struct{ path, fields, field string }{
		{"/v1/chat/completions", `"response_format": {"type": "json_object"}`, "response_format"},
		{"/v1/chat/completions", `"json_schema": {"type": "integer"}`, "json_schema"},
		{"/v1/chat/completions", `"grammar": "root ::= \"{\""`, "grammar"},
		{"/v1/messages", `"output_format": {"type": "json_schema", "schema": {"type": "integer"}}`, "output_format"},
		{"/v1/messages", `"output_config": {"format": {"type": "json_schema", "schema": {"type": "integer"}}}`, "output_config.format"},
		{"/api/chat", `"format": "json"`, "format"},
	} {
		for begun, refused := range map[string]bool{"{": true, "<think>\n\n</think>\n\n{": true, "<think>\n\n</think>\n\n": false, "<think>": false, "": false} {
			r := c.request(t, tt.path, `{"model": "tiny", "max_tokens": 5, "stream": false, "options": {"num_predict": 5}, `+messages(begun)+`, `+tt.fields+`}`)
			body, err := io.ReadAll(r.Body)
			said := strings.Contains(string(body), "messages: the last one is the beginning of the answer, and "+tt.field+" holds for the whole answer")
			if err != nil || said != refused || (r.StatusCode == http.StatusBadRequest) != refused {
				t.Errorf("%s %s after %q: status %d, %s, %v", tt.path, tt.field, begun, r.StatusCode, body, err)
			}
		}
	}
}
