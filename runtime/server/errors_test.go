package server

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"st/convert/checkpoint/ckpttest"
)

// withoutTemplate returns the trained model without a chat template, in a file of that name, and withoutTokenizer without a tokenizer.
func withoutTemplate(t *testing.T, name string) string {
	return altered(t, name, func(dir string) error { return ckpttest.SetTemplate(dir, "") })
}

func withoutTokenizer(t *testing.T, name string) string {
	return altered(t, name, func(dir string) error { return os.Remove(filepath.Join(dir, "tokenizer.json")) })
}

// Errors name a model as its clients do. They do not tell where its file lies.
func TestErrorsNameModel(t *testing.T) {
	torn := altered(t, "torn", func(string) error { return nil })
	c := start(t, Options{Models: []string{modelPath, withoutTemplate(t, "base"), withoutTokenizer(t, "mute"), torn}})
	if err := os.Truncate(torn, 100); err != nil {
		t.Fatal(err)
	}
	const hi = `"messages": [{"role": "user", "content": "Hi"}]`
	for _, tt := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"/v1/completions", `{"model": "tiny", "prompt": "x", "logit_bias": {"99999": 5}}`, 400, "logit_bias: it is for token 99999: the vocabulary has ids 0 to 4095"},
		{"/v1/completions", `{"model": "tiny", "prompt": "x", "logit_bias": {"-1": 5}, "stream": true}`, 400, "logit_bias: it is for token -1"},
		{"/v1/chat/completions", `{"model": "base", ` + hi + `}`, 400, "base: the model has no chat template"},
		{"/v1/chat/completions", `{"model": "mute", ` + hi + `}`, 400, "mute: the model has no tokenizer"},
		{"/v1/completions", `{"model": "mute", "prompt": "x"}`, 400, "mute: the model has no tokenizer"},
		{"/v1/responses", `{"model": "base", "input": "Hi"}`, 400, "base: the model has no chat template"},
		{"/v1/messages", `{"model": "base", "max_tokens": 1, ` + hi + `}`, 400, "base: the model has no chat template"},
		{"/v1/messages/count_tokens", `{"model": "base", ` + hi + `}`, 400, "base: the model has no chat template"},
		{"/api/chat", `{"model": "base", ` + hi + `}`, 400, "base: the model has no chat template"},
		{"/api/generate", `{"model": "mute", "prompt": "x"}`, 400, "mute: the model has no tokenizer"},
		{"/v1/completions", `{"model": "tiny", "prompt": "x", "grammar": "root ::= root \"a\" | \"b\""}`, 400, "left recursion: rule"},
		{"/v1/completions", `{"model": "torn", "prompt": "x"}`, 500, "torn: "},
		{"/api/show", `{"model": "torn"}`, 500, "torn: "},
		{"/props?model=torn", "", 500, "torn: "},
	} {
		r := c.request(t, tt.path, tt.body)
		text, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != tt.status || !strings.Contains(string(text), `"`+tt.want) || strings.Contains(string(text), ".stm") {
			t.Errorf("%s %s: %d, %s, %v; want %d, %q", tt.path, tt.body, r.StatusCode, text, err, tt.status, tt.want)
		}
	}
	if status, e := getError(t, c, "/v1/completions", `{"model": "tiny", "prompt": "x", "logit_bias": {"99999": 5}}`); status != http.StatusBadRequest || e.Error.Param == nil ||
		*e.Error.Param != "logit_bias" {
		t.Errorf("%d, %+v: the field is not named", status, e)
	}
}

// Agents shorten a conversation that is longer than the context, and go on. They know the error by its words, whatever the protocol.
func TestPromptTooLong(t *testing.T) {
	c := start(t, Options{})
	anthropics := regexp.MustCompile(`prompt is too long[^0-9]*3027 tokens > 1024`)
	openAIs := regexp.MustCompile(`maximum context length is \d+ tokens`)
	long := strings.Repeat("king ", 3000)
	chat := `{"model": "tiny", "max_tokens": 4, "stream": true, "messages": [{"role": "user", "content": "` + long + `"}]}`
	for path, body := range map[string]string{"/v1/chat/completions": chat, "/v1/messages": chat, "/api/chat": chat, "/v1/responses": `{"stream": true, "input": "` + long + `"}`} {
		r := c.request(t, path, body)
		text, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != http.StatusBadRequest || !anthropics.Match(text) || !openAIs.Match(text) {
			t.Errorf("%s: %d, %s, %v", path, r.StatusCode, text, err)
		}
	}
	// A text that cannot have so few tokens is not cut into them.
	if status, e := getError(t, c, "/v1/completions", `{"prompt": "`+strings.Repeat("x", 4<<20)+`"}`); status != http.StatusBadRequest ||
		!strings.HasPrefix(e.Error.Message, "prompt is too long: ") || *e.Error.Code != "context_length_exceeded" {
		t.Errorf("%d, %+v", status, e.Error)
	}
}
