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

// What an answer must be like holds for the whole of it: for what the request begins, and for what comes. What the model thinks before is no part of that.
func TestContinuesWithGrammar(t *testing.T) {
	c := start(t, Options{})
	const city = `{"type": "object", "properties": {"city": {"type": "string", "maxLength": 5}}, "required": ["city"]}`
	for _, tt := range []struct{ path, fields, field string }{
		{"/v1/chat/completions", `"response_format": {"type": "json_schema", "json_schema": {"schema": ` + city + `}}`, "response_format"},
		{"/v1/chat/completions", `"json_schema": ` + city, "json_schema"},
		{"/v1/chat/completions", `"grammar": "root ::= \"{\\\"city\\\": \\\"\" [A-Za-z]{0,5} \"\\\"}\""`, "grammar"},
		{"/v1/messages", `"output_format": {"type": "json_schema", "schema": ` + city + `}`, "output_format"},
		{"/v1/messages", `"output_config": {"format": {"type": "json_schema", "schema": ` + city + `}}`, "output_config.format"},
		{"/api/chat", `"format": ` + city, "format"},
	} {
		for begun, said := range map[string]string{ // what of it is the answer's
			"": "", "{": "{", `{"city": "Os`: `{"city": "Os`, `{"city": "Oslo"}`: `{"city": "Oslo"}`,
			"<think>\n\n</think>\n\n{": "{", "<think>\n\n</think>\n\n": "", "<think>": "",
		} {
			got := c.answer(t, tt.path, tt.fields, begun)
			if begun == "<think>" { // which may last
				continue
			}
			var city struct{ City *string }
			if err := json.Unmarshal([]byte(said+got), &city); err != nil || city.City == nil {
				t.Errorf("%s %s: %q goes on with %q", tt.path, tt.field, begun, got)
			}
		}
		for begun, want := range map[string]string{
			"Here: {":   `the grammar does not allow it: the answer is to begin with \"Here: {\", where 'H' comes after \"\"`,
			`{"city":"`: `'\"' comes after \"{\\\"city\\\":\"`,
		} {
			r := c.request(t, tt.path, begunRequest(tt.fields, begun))
			body, err := io.ReadAll(r.Body)
			if err != nil || r.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), want) {
				t.Errorf("%s %s after %q: status %d, %s, %v", tt.path, tt.field, begun, r.StatusCode, body, err)
			}
		}
	}
}

// begunRequest is a request whose answer is begun.
func begunRequest(fields, begun string) string {
	last, _ := json.Marshal(map[string]string{"role": "assistant", "content": begun})
	return `{"model": "tiny", "max_tokens": 60, "stream": false, "temperature": 0, "options": {"num_predict": 60, "temperature": 0},
		"messages": [{"role": "user", "content": "Speak"}, ` + string(last) + `], ` + fields + `}`
}

// answer returns the text with which an answer that is begun goes on.
func (c *client) answer(t *testing.T, path, fields, begun string) string {
	t.Helper()
	a := get[struct {
		Choices []struct{ Message struct{ Content string } }
		Content []struct{ Text string }
		Message struct{ Content string }
	}](t, c, path, begunRequest(fields, begun))
	switch {
	case len(a.Choices) > 0:
		return a.Choices[0].Message.Content
	case len(a.Content) > 0:
		return a.Content[len(a.Content)-1].Text
	}
	return a.Message.Content
}
