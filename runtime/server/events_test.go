package server

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// A stream tells that the server lives while a long prompt is run, with a comment, or with a line that has no text. One that was not silent for long has
// only its text, as has what is no stream. Choices that run at the same time have no pings.
func TestPings(t *testing.T) {
	quick, patient := start(t, Options{}), start(t, Options{})
	quick.pingAfter = 0
	const hi = `"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2`
	const ping = ": ping\n\n"
	for _, tt := range []struct {
		path, body string
		want       []string // one after the other
	}{
		{"/v1/chat/completions", `{` + hi + `, "stream": true}`, []string{ping + "data: {", `"role":"assistant"`, "data: [DONE]"}},
		{"/v1/completions", `{"prompt": "Hi", "max_tokens": 2, "stream": true}`, []string{ping + "data: {", "data: [DONE]"}},
		{"/v1/responses", `{"input": "Hi", "max_output_tokens": 2, "stream": true}`, []string{"event: response.created", "event: response.in_progress", ping, "event: response.output_item.added"}},
		{"/api/chat", `{` + hi + `}`, []string{`"content":""},"done":false}`, `"done":true`}},
		{"/api/generate", `{"model": "tiny", "prompt": "Hi", "options": {"num_predict": 2}}`, []string{`"response":"","done":false}`, `"done":true`}},
		{"/v1/chat/completions", `{` + hi + `, "stream": true, "n": 2}`, nil},
		{"/v1/chat/completions", `{` + hi + `}`, nil},
		{"/api/chat", `{` + hi + `, "stream": false}`, nil},
	} {
		rest := readAll(t, quick, tt.path, tt.body)
		for _, part := range tt.want {
			before, after, ok := strings.Cut(rest, part)
			if !ok {
				t.Errorf("%s %s: %q is not in %q", tt.path, tt.body, part, before)
			}
			rest = after
		}
		if tt.want == nil && (strings.Contains(rest, ping) || strings.Contains(rest, `"done":false`)) {
			t.Errorf("%s %s: %q", tt.path, tt.body, rest)
		}
		if text := readAll(t, patient, tt.path, tt.body); strings.Contains(text, ping) || strings.Contains(text, `"content":""},"done":false`) {
			t.Errorf("%s %s: a ping at once: %q", tt.path, tt.body, text)
		}
	}
}

// readAll sends a request that must be answered with status 200, and returns the answer.
func readAll(t *testing.T, c *client, path, body string) string {
	t.Helper()
	r := c.request(t, path, body)
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d, %v", path, body, r.StatusCode, err)
	}
	return string(text)
}
