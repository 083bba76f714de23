package server

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// tokensOf returns the tokens of a text, with fields of /tokenize.
func tokensOf(t *testing.T, c *client, content, fields string) []int32 {
	t.Helper()
	text, _ := json.Marshal(content)
	return get[struct{ Tokens []int32 }](t, c, "/tokenize", `{"content": `+string(text)+fields+`}`).Tokens
}

// A text is cut into tokens, and made of them again. Special tokens are read unless that is turned off.
func TestTokenize(t *testing.T) {
	c := start(t, Options{})
	for _, text := range []string{"The LORD is my shepherd", "á 🙂\n", "", "<|im_start|>user"} {
		for _, fields := range []string{"", `, "add_special": true`, `, "parse_special": false`} {
			ids := tokensOf(t, c, text, fields)
			if ids == nil {
				t.Errorf("%q%s: null, want a list", text, fields)
			}
			list, _ := json.Marshal(ids)
			if got := get[map[string]string](t, c, "/detokenize", `{"tokens": `+string(list)+`}`)["content"]; got != text {
				t.Errorf("%q%s: %v, which are %q", text, fields, ids, got)
			}
		}
	}
	if n, plain := len(tokensOf(t, c, "<|im_end|>", "")), len(tokensOf(t, c, "<|im_end|>", `, "parse_special": false`)); n != 1 || plain < 2 {
		t.Errorf("a special token is %d tokens, and %d as plain text", n, plain)
	}
	// What is no whole character comes as bytes.
	var whole string
	for _, p := range get[struct {
		Tokens []struct {
			ID    int32
			Piece json.RawMessage
		}
	}](t, c, "/tokenize", `{"content": "a🙂", "with_pieces": true}`).Tokens {
		var text string
		var bytes []byte
		if json.Unmarshal(p.Piece, &text) != nil {
			var numbers []int
			if err := json.Unmarshal(p.Piece, &numbers); err != nil {
				t.Fatal(err)
			}
			for _, n := range numbers {
				bytes = append(bytes, byte(n))
			}
		}
		whole += text + string(bytes)
	}
	if whole != "a🙂" {
		t.Errorf("the pieces are %q", whole)
	}
}

// The prompt that the template writes is what the model reads in a chat.
func TestApplyTemplate(t *testing.T) {
	c := start(t, Options{})
	const chat = `{"messages": [{"role": "system", "content": "Be terse."}, {"role": "user", "content": "Hi"}], "max_tokens": 1}`
	prompt := get[map[string]string](t, c, "/apply-template", chat)["prompt"]
	if !strings.Contains(prompt, "<|im_start|>user\nHi<|im_end|>") || !strings.HasSuffix(prompt, "<|im_start|>assistant\n") {
		t.Errorf("%q", prompt)
	}
	if n, want := len(tokensOf(t, c, prompt, `, "add_special": true`)), get[chatCompletion](t, c, "/v1/chat/completions", chat).Usage.PromptTokens; n != want {
		t.Errorf("the prompt has %d tokens, and %d in a chat", n, want)
	}
	begun := get[map[string]string](t, c, "/apply-template", `{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Good"}]}`)["prompt"]
	if !strings.HasSuffix(begun, "<|im_start|>assistant\nGood") {
		t.Errorf("with the beginning of an answer: %q", begun)
	}
	// The beginning of the answer's turn can be left out, unless the answer has begun. A chat does the same.
	for _, off := range []string{`"add_generation_prompt": false`, `"chat_template_kwargs": {"add_generation_prompt": false}`} {
		closed := strings.Replace(chat, "{", "{"+off+", ", 1)
		if got := get[map[string]string](t, c, "/apply-template", closed)["prompt"]; got+"<|im_start|>assistant\n" != prompt {
			t.Errorf("%s: %q", off, got)
		}
		if n, want := get[chatCompletion](t, c, "/v1/chat/completions", closed).Usage.PromptTokens, get[chatCompletion](t, c, "/v1/chat/completions", chat).Usage.PromptTokens; n >= want {
			t.Errorf("%s: a chat has %d tokens, and %d with it", off, n, want)
		}
	}
	if got := get[map[string]string](t, c, "/apply-template",
		`{"add_generation_prompt": false, "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Good"}]}`)["prompt"]; got != begun {
		t.Errorf("%q, want %q", got, begun)
	}
}

// Errors of these paths name the field, and a text that would take much memory is refused.
func TestLlamaTextErrors(t *testing.T) {
	c := start(t, Options{})
	for _, tt := range []struct {
		path, body string
		status     int
		param      string
	}{
		{"/tokenize", `{}`, http.StatusBadRequest, "content"},
		{"/tokenize", `{"content": ["a"]}`, http.StatusBadRequest, "content"},
		{"/tokenize", `{"content": "a", "model": "none"}`, http.StatusNotFound, "model"},
		{"/tokenize", `{"content": "` + strings.Repeat("a", maxText+1) + `"}`, http.StatusRequestEntityTooLarge, ""},
		{"/detokenize", `{}`, http.StatusBadRequest, "tokens"},
		{"/detokenize", `{"tokens": [1, null]}`, http.StatusBadRequest, "tokens"},
		{"/detokenize", `{"tokens": "a"}`, http.StatusBadRequest, "tokens"},
		{"/detokenize", `{"tokens": [1000000]}`, http.StatusBadRequest, "tokens"},
		{"/apply-template", `{"messages": []}`, http.StatusBadRequest, "messages"},
		{"/apply-template", `{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]}`, http.StatusBadRequest, "messages[0].content"},
	} {
		status, e := getError(t, c, tt.path, tt.body)
		if param := cmpText(e.Error.Param); status != tt.status || *param != tt.param {
			t.Errorf("%s %.60s: %d, %s: %s", tt.path, tt.body, status, *param, e.Error.Message)
		}
	}
	if !slices.Equal(tokensOf(t, c, "a", ""), tokensOf(t, c, "a", `, "model": "tiny"`)) {
		t.Error("a server of one model need not be told which")
	}
}
