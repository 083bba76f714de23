package server

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// The document lists what the log names.
func TestIgnoredDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/server.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range unsupported {
		if !bytes.Contains(text, []byte("`"+f.name+"`")) {
			t.Errorf("docs/server.md does not say that %s is ignored", f.name)
		}
	}
}

// The log names the fields of a request that are ignored and would change the text. Those that are off it does not.
func TestLogIgnored(t *testing.T) {
	var log bytes.Buffer
	c := start(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for _, tt := range []struct{ path, body, want string }{
		{"/v1/completions", `{"prompt": "x", "max_tokens": 1, "mirostat": 2, "mirostat_tau": 5, "typical_p": 0.9}`, " ignored=mirostat,typical_p "},
		{"/v1/completions", `{"prompt": "x", "max_tokens": 1, "mirostat": 0, "typical_p": 1, "xtc_probability": 0.0, "samplers": [], "bad_words": null, "user": "u"}`, ""},
		{"/v1/completions", `{"prompt": "x", "max_tokens": 1, "guided_json": {}, "samplers": false, "guided_regex": ""}`, ""},
		{"/v1/completions", `{"prompt": "x", "max_tokens": 1, "guided_json": {"type": "object"}, "samplers": true}`, " ignored=samplers,guided_json "},
		{"/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}], "max_tokens": 1, "guided_choice": ["a", "b"]}`, " ignored=guided_choice "},
		{"/completion", `{"prompt": "x", "n_predict": 1, "samplers": ["top_k"], "id_slot": -1}`, " ignored=samplers "},
		{"/completion", `{"prompt": "x", "n_predict": 1, "n_indent": 4}`, " ignored=n_indent "},
		{"/v1/responses", `{"input": "x", "max_output_tokens": 1, "dry_multiplier": 0.8}`, " ignored=dry_multiplier "},
		{"/api/chat", `{"messages": [{"role": "user", "content": "x"}], "stream": false, "options": {"num_predict": 1, "repeat_last_n": 256, "mirostat": 1}}`,
			" ignored=mirostat,repeat_last_n "},
	} {
		log.Reset()
		w := httptest.NewRecorder()
		c.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost"+tt.path, strings.NewReader(tt.body)))
		if w.Code != http.StatusOK {
			t.Errorf("%s %s: %s", tt.path, tt.body, w.Body)
		}
		if got := log.String(); strings.Contains(got, "ignored=") != (tt.want != "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s %s: the log should say %q: %s", tt.path, tt.body, tt.want, got)
		}
	}
}
