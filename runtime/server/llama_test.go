package server

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What clients of llama.cpp's server look for is there, with the names that they know.
func TestLlamaProps(t *testing.T) {
	c := start(t, Options{Context: 256, Parallel: 3, KeepAlive: -1})
	p := get[llamaProperties](t, c, "/props", "")
	if p.Slots != 3 || p.Alias != "tiny" || p.Defaults.Context != 256 || !p.Sleeping || p.Defaults.Params.TopP == 0 || p.ChatTemplate == "" {
		t.Errorf("%+v", p)
	}
	get[completion](t, c, "/v1/completions", `{"prompt": "x", "max_tokens": 1}`)
	if p := get[llamaProperties](t, c, "/props?model=tiny", ""); p.Sleeping || p.Defaults.Context != 256 {
		t.Errorf("loaded: %+v", p)
	}
	if status, e := getError(t, c, "/props?model=none", ""); status != http.StatusNotFound || *e.Error.Code != "model_not_found" {
		t.Errorf("%d, %+v", status, e)
	}
	if list := get[struct{ Data []openAIModelObject }](t, c, "/models", ""); len(list.Data) != 1 {
		t.Errorf("%+v", list)
	}
	const hi = `{"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}`
	if a := get[chatCompletion](t, c, "/chat/completions", hi); a.Object != "chat.completion" {
		t.Errorf("%+v", a)
	}
	if a := get[response](t, c, "/responses", `{"input": "Hi", "max_output_tokens": 1}`); a.Object != "response" {
		t.Errorf("%+v", a)
	}
	locked := start(t, Options{APIKey: "secret"})
	if h := get[map[string]string](t, locked, "/v1/health", ""); h["status"] != "ok" {
		t.Errorf("%v", h)
	}
}

// Embeddings are refused by one error in the form of each API, which tells what there is instead.
func TestNoEmbeddings(t *testing.T) {
	c := start(t, Options{})
	for path, want := range map[string]string{"/v1/embeddings": "/v1/chat/completions", "/embedding": "/v1/completions", "/embeddings": "/v1/completions",
		"/api/embed": "/api/chat", "/api/embeddings": "/api/generate"} {
		for _, body := range []string{`{"model": "tiny", "input": "x"}`, `{"model": "tiny", "prompt": "x"}`, "{"} {
			w := httptest.NewRecorder()
			c.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost"+path, strings.NewReader(body)))
			message := ""
			if strings.HasPrefix(path, "/api/") {
				var e ollamaError
				_ = json.Unmarshal(w.Body.Bytes(), &e)
				message = e.Error
			} else {
				var e openAIError
				_ = json.Unmarshal(w.Body.Bytes(), &e)
				message = e.Error.Message
			}
			if w.Code != http.StatusBadRequest || !strings.HasPrefix(message, "embeddings are not supported: ") || !strings.Contains(message, want) {
				t.Errorf("%s %s: %d, %s", path, body, w.Code, w.Body)
			}
		}
	}
}

// A path with another method is told from one that there is not, in the form of the API that it belongs to.
func TestWrongMethod(t *testing.T) {
	c := start(t, Options{})
	for _, tt := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{http.MethodGet, "/v1/chat/completions", 405, "POST"},
		{http.MethodDelete, "/v1/models", 405, "GET, HEAD"},
		{http.MethodPost, "/v1/models/tiny", 405, "GET, HEAD"},
		{http.MethodPut, "/api/chat", 405, "POST"},
		{http.MethodPost, "/api/delete", 405, "DELETE"},
		{http.MethodPost, "/api/tags", 405, "GET, HEAD"},
		{http.MethodPost, "/", 405, "GET, HEAD"},
		{http.MethodPatch, "/health", 405, "GET, HEAD"},
		{http.MethodGet, "/v1/messages", 405, "POST"},
		{http.MethodPost, "/v1/rerank", 404, ""},
		{http.MethodGet, "/api/nothing", 404, ""},
		{http.MethodGet, "/nothing", 404, ""},
	} {
		w := httptest.NewRecorder()
		c.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), tt.method, "http://localhost"+tt.path, nil))
		var e struct{ Error any }
		err := json.Unmarshal(w.Body.Bytes(), &e)
		if err != nil || e.Error == nil || w.Code != tt.status || w.Header().Get("Allow") != tt.allow || !strings.Contains(w.Body.String(), tt.path) {
			t.Errorf("%s %s: %d, Allow %q, %s", tt.method, tt.path, w.Code, w.Header().Get("Allow"), w.Body)
		}
		if _, text := e.Error.(string); text != strings.HasPrefix(tt.path, "/api/") {
			t.Errorf("%s %s: %s is not of its API", tt.method, tt.path, w.Body)
		}
	}
}
