package server

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// hi is a request, in every protocol but that of texts.
const hi = `"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2`

// silentStreams are requests for streams, each with the ping that it gets while it waits, and how it ends.
var silentStreams = []struct{ path, body, ping, end string }{
	{"/v1/chat/completions", `{` + hi + `, "stream": true}`, ": ping\n", "data: [DONE]\n\n"},
	{"/v1/chat/completions", `{` + hi + `, "stream": true, "n": 2}`, ": ping\n", "data: [DONE]\n\n"},
	{"/v1/completions", `{"prompt": "Hi", "max_tokens": 2, "stream": true}`, ": ping\n", "data: [DONE]\n\n"},
	{"/completion", `{"prompt": "Hi", "n_predict": 2, "stream": true}`, ": ping\n", `"stop_type":"limit"`},
	{"/v1/responses", `{"input": "Hi", "max_output_tokens": 2, "stream": true}`, ": ping\n", `"total_tokens":`},
	{"/v1/messages", `{` + hi + `, "stream": true}`, ": ping\n", `"type":"message_stop"}`},
	{"/api/chat", `{` + hi + `}`, `"content":""},"done":false}`, `"done":true`},
	{"/api/generate", `{"model": "tiny", "prompt": "Hi", "options": {"num_predict": 2}}`, `"response":"","done":false}`, `"done":true`},
	{"/api/generate", `{"model": "tiny"}`, `"response":"","done":false}`, `"done_reason":"load"`},
}

// A stream that waits for a place tells that the server lives, with a comment, or with a line that has no text, and then has what it would have had.
func TestPings(t *testing.T) {
	c := start(t, Options{})
	c.pingAfter = time.Millisecond
	for _, tt := range silentStreams {
		hold(t, c)
		r := c.request(t, tt.path, tt.body)
		lines := bufio.NewReader(r.Body)
		for range 2 {
			line, err := "", error(nil)
			for line == "" || line == "\n" {
				if line, err = lines.ReadString('\n'); err != nil {
					t.Fatalf("%s %s: %v", tt.path, tt.body, err)
				}
			}
			if !strings.Contains(line, tt.ping) {
				t.Errorf("%s %s: %q, want %q", tt.path, tt.body, line, tt.ping)
			}
		}
		c.places.Release(int64(c.opts.Parallel))
		rest, err := io.ReadAll(lines)
		if err != nil || !strings.Contains(string(rest), tt.end) {
			t.Errorf("%s %s: %q, %v; want %q", tt.path, tt.body, rest, err, tt.end)
		}
	}
}

// hold takes all places of a server, so that what comes waits until the test releases them.
func hold(t *testing.T, c *client) {
	t.Helper()
	if err := c.places.Acquire(t.Context(), int64(c.opts.Parallel)); err != nil {
		t.Fatal(err)
	}
}

// A stream that was not silent for long, and what is no stream, has no pings.
func TestNoPings(t *testing.T) {
	c, quick := start(t, Options{}), start(t, Options{})
	quick.pingAfter = time.Millisecond
	for _, tt := range silentStreams {
		if text := readAll(t, c, tt.path, tt.body); strings.Contains(strings.ReplaceAll(text, "event: ping", ""), tt.ping) {
			t.Errorf("%s %s: a ping at once: %q", tt.path, tt.body, text)
		}
	}
	for path, body := range map[string]string{"/v1/chat/completions": `{` + hi + `}`, "/api/chat": `{` + hi + `, "stream": false}`} {
		if text := readAll(t, quick, path, body); !json.Valid([]byte(text)) {
			t.Errorf("%s %s: %q", path, body, text)
		}
	}
}

// What is found to be wrong when a stream has begun is its last event, in the form of its protocol. Here the prompt is too long for the model, which is known
// when the model is loaded.
func TestErrorAfterPings(t *testing.T) {
	c := start(t, Options{Context: 32})
	c.pingAfter = time.Millisecond
	long := strings.Repeat("to be or not to be ", 10)
	for _, tt := range []struct{ path, body, want string }{
		{"/v1/chat/completions", `{"stream": true, "messages": [{"role": "user", "content": "` + long + `"}]}`, `"code":"context_length_exceeded"}}` + "\n\ndata: [DONE]\n\n"},
		{"/v1/completions", `{"stream": true, "prompt": "` + long + `"}`, `"code":"context_length_exceeded"}}` + "\n\ndata: [DONE]\n\n"},
		{"/v1/responses", `{"stream": true, "input": "` + long + `"}`, "event: response.failed"},
		{"/v1/messages", `{"stream": true, "max_tokens": 1, "messages": [{"role": "user", "content": "` + long + `"}]}`, "event: error"},
		{"/api/chat", `{"model": "tiny", "messages": [{"role": "user", "content": "` + long + `"}]}`, "\n{\"error\":"},
		{"/api/generate", `{"model": "tiny", "prompt": "` + long + `"}`, "\n{\"error\":"},
	} {
		hold(t, c)
		r := c.request(t, tt.path, tt.body)
		c.places.Release(int64(c.opts.Parallel)) // the headers have come, with a ping
		text, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != http.StatusOK || !strings.Contains(string(text), tt.want) || !strings.Contains(string(text), "prompt is too long") {
			t.Errorf("%s: %d, %q, %v; want %q", tt.path, r.StatusCode, text, err, tt.want)
		}
		if tt.path == "/v1/responses" && !strings.Contains(string(text), "event: response.created") {
			t.Errorf("clients expect response.created first: %q", text)
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
