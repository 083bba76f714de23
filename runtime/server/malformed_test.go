package server

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"st/convert/checkpoint/ckpttest"
)

// bodyPaths are the paths that take a body, each with one that is right.
var bodyPaths = []struct{ method, path, body string }{
	{http.MethodPost, "/v1/chat/completions", `{"model": "tiny", "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": [{"type": "text", "text": "a"}]}],
		"stop": ["x"], "n": 2, "logit_bias": {"5": 1.5}, "logprobs": true, "top_logprobs": 2, "max_completion_tokens": 3, "temperature": 0.5, "response_format": {"type": "text"}}`},
	{http.MethodPost, "/v1/completions", `{"prompt": [[1, 2], [3]], "max_tokens": 2, "echo": true, "logprobs": 1, "stream": true, "stream_options": {"include_usage": true}, "seed": 4}`},
	{http.MethodPost, "/v1/responses/input_tokens", `{"input": [{"role": "user", "content": "a"}], "instructions": "b", "tools": [], "tool_choice": "auto"}`},
	{http.MethodPost, "/v1/responses", `{"input": [{"type": "message", "role": "user", "content": "a"}], "instructions": "b", "text": {"format": {"type": "text"}}, "max_output_tokens": 2,
		"metadata": {"a": "b"}, "stream": true}`},
	{http.MethodPost, "/api/chat", `{"model": "tiny", "messages": [{"role": "user", "content": "a", "images": []}], "options": {"num_predict": 2, "stop": ["x"], "seed": 1.0, "top_k": 3},
		"keep_alive": "5m", "think": false, "logprobs": true, "format": ""}`},
	{http.MethodPost, "/api/generate", `{"model": "tiny", "prompt": "a", "system": "b", "context": [1, 2], "stream": false, "options": {"num_predict": 2}, "keep_alive": 60, "raw": false}`},
	{http.MethodPost, "/api/show", `{"model": "tiny", "verbose": true}`},
	{http.MethodPost, "/completion", `{"prompt": [[1, 2], [3]], "n_predict": 2, "n_probs": 2, "stream": true, "logit_bias": [[5, false]], "stop": ["x"], "return_tokens": true}`},
	{http.MethodPost, "/infill", `{"input_prefix": "a", "input_suffix": "b", "input_extra": [{"text": "c", "filename": "d"}], "prompt": "e", "n_predict": 2, "t_max_predict_ms": 1.5,
		"response_fields": ["content", "timings/cache_n"]}`},
	{http.MethodPost, "/api/generate", `{"model": "tiny", "prompt": "a", "suffix": "b", "stream": false, "options": {"num_predict": 2}, "context": [1, 2]}`},
	{http.MethodPost, "/tokenize", `{"content": "a b", "add_special": true, "with_pieces": true}`},
	{http.MethodPost, "/detokenize", `{"tokens": [1, 2.0]}`},
	{http.MethodPost, "/apply-template", `{"messages": [{"role": "user", "content": "a"}], "tools": []}`},
	{http.MethodPost, "/api/copy", `{"source": "tiny", "destination": "other"}`},
	{http.MethodDelete, "/api/delete", `{"model": "tiny"}`},
	{http.MethodPost, "/v1/messages", `{"model": "tiny", "max_tokens": 2, "system": [{"type": "text", "text": "S"}], "messages": [{"role": "user", "content": "a"},
		{"role": "assistant", "content": [{"type": "text", "text": "b"}]}], "stop_sequences": ["x"], "top_k": 4, "stream": true, "thinking": {"type": "disabled"}}`},
	{http.MethodPost, "/v1/messages/count_tokens", `{"model": "tiny", "messages": [{"role": "user", "content": "a"}], "tools": [], "tool_choice": {"type": "none"}}`},
}

// startSmall starts a server whose texts are short, whatever a request asks for. Nothing listens.
func startSmall(t testing.TB) *Server {
	s, err := New(Options{Models: []string{altered(t, "tiny", ckpttest.AddInfill)}, Context: 48})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// checkBody sends a body, and reports an answer with a status of 500 or more, or that is not what the protocol has.
func checkBody(t *testing.T, s *Server, method, path, body string) (status int) {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "http://localhost"+path, strings.NewReader(body)))
	if w.Code >= 500 {
		t.Errorf("%s %s %s: status %d: %s", method, path, body, w.Code, w.Body)
	}
	lines := [][]byte{w.Body.Bytes()}
	switch typ, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";"); typ {
	case "text/event-stream":
		lines = nil
		for line := range bytes.Lines(w.Body.Bytes()) {
			if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok && string(data) != "[DONE]\n" {
				lines = append(lines, data)
			}
		}
	case "application/x-ndjson":
		lines = slices.Collect(bytes.Lines(w.Body.Bytes()))
	case "":
		lines = nil
	}
	for _, line := range lines {
		if !json.Valid(line) {
			t.Errorf("%s %s %s: the answer has %q", method, path, body, line)
		}
	}
	return w.Code
}

// mutate breaks a JSON text in one of many ways.
func mutate(r *rand.Rand, body string) string {
	values := []string{`null`, `-1`, `1e999`, `1.5`, `"x"`, `""`, `[]`, `{}`, `[null]`, `[[]]`, `[{}]`, `{"type": 5}`, `true`, `99999999999999999999`, `"\ud800"`, `[1, "a"]`,
		strings.Repeat("[", 5000), strings.Repeat(`{"a":`, 5000), `"` + strings.Repeat("x", 5000) + `"`}
	switch at := r.IntN(len(body)); r.IntN(6) {
	case 0: // a part is missing
		return body[:at] + body[min(len(body), at+1+r.IntN(20)):]
	case 1: // it ends early
		return body[:at]
	case 2: // a byte is another
		return body[:at] + string(rune(r.IntN(256))) + body[at+1:]
	case 3: // bytes that are no text
		return body[:at] + "\xff\x00" + body[at:]
	default: // a field has another value
		var fields map[string]json.RawMessage
		if json.Unmarshal([]byte(body), &fields) != nil {
			return body[at:]
		}
		names := make([]string, 0, len(fields))
		for name := range fields {
			names = append(names, name)
		}
		slices.Sort(names)
		parts := []string{}
		for i, pick := 0, r.IntN(len(names)); i < len(names); i++ {
			value := string(fields[names[i]])
			if i == pick {
				value = values[r.IntN(len(values))]
			}
			parts = append(parts, `"`+names[i]+`": `+value)
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
}

// A thousand broken requests, every protocol's: none has a status of 500 or more, or ends a handler in a panic, and the server goes on.
func TestMalformed(t *testing.T) {
	s := startSmall(t)
	r := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for i := range 1000 {
		p := bodyPaths[i%len(bodyPaths)]
		body := mutate(r, p.body)
		if r.IntN(3) == 0 && body != "" {
			body = mutate(r, body)
		}
		if checkBody(t, s, p.method, p.path, body) >= 400 {
			refused++
		}
	}
	if refused < 500 {
		t.Errorf("only %d requests were refused", refused)
	}
	for _, p := range bodyPaths {
		if status := checkBody(t, s, p.method, p.path, p.body); status != http.StatusOK && status != http.StatusMethodNotAllowed {
			t.Errorf("%s: status %d of a request that is right", p.path, status)
		}
	}
	if !s.places.TryAcquire(int64(s.opts.Parallel)) || s.queue.active() != 0 {
		t.Error("a place is not free")
	}
}

// No body makes the server fail.
func FuzzBodies(f *testing.F) {
	for _, p := range bodyPaths {
		f.Add(p.body)
	}
	for _, body := range []string{
		`{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]},
			{"role": "tool", "tool_call_id": "c", "content": "b"}], "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}], "tool_choice": "required", "max_tokens": 9}`,
		`{"messages": [{"role": "user", "content": "a"}], "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "boolean"}}}, "max_tokens": 3}`,
		`{"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{"}, {"type": "function_call_output", "call_id": "c", "output": "x"}], "tools": [{"type": "function", "name": "f"}], "max_output_tokens": 3}`,
		`{"prompt": "x", "grammar": "root ::= [a-z]+", "max_tokens": 3}`, `{"prompt": "x", "json_schema": {"type": ["null", "boolean"]}}`,
		`{"prompt": "\ud800", "max_tokens": 1e3, "seed": -1}`, `[[[`, `{"messages": null}`, `{"model": "tiny", "keep_alive": 1e400}`,
	} {
		f.Add(body)
	}
	s := startSmall(f)
	f.Fuzz(func(t *testing.T, body string) {
		for _, p := range bodyPaths {
			checkBody(t, s, p.method, p.path, body)
		}
	})
}
