package server

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A body of so many small values that it would take many times its size is refused before it is decoded, on every path.
func TestBodyValues(t *testing.T) {
	c := start(t, Options{})
	for _, tt := range []struct{ path, body, want string }{
		{"/v1/chat/completions", `{"messages": [` + strings.Repeat("1,", maxValues) + `1]}`, "the body has more than 1048576 values"},
		{"/v1/messages/count_tokens", `{"messages": [` + strings.Repeat(`{},`, maxObjects) + `{}]}`, "the body has more than 65536 objects and arrays"},
		{"/api/generate", `{"prompt": "x", "context": [` + strings.Repeat("1,", maxValues) + `1]}`, "the body has more than 1048576 values"},
		{"/v1/embeddings", strings.Repeat("[", maxObjects+1), "the body has more than 65536 objects and arrays"},
	} {
		r := c.request(t, tt.path, tt.body)
		answer, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(string(answer), tt.want) {
			t.Errorf("%s: status %d, %s, %v; want %q", tt.path, r.StatusCode, answer, err, tt.want)
		}
	}
	// What a text says is no value.
	get[completion](t, c, "/v1/completions", `{"max_tokens": 1, "prompt": "x", "user": "\"`+strings.Repeat("[{,", maxValues)+`"}`)
}

// stalled is a body of which a part comes, and the rest when the client says so.
type stalled struct {
	io.Reader
	read chan struct{} // is closed when the part was read
	rest chan struct{}
}

func (s *stalled) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err == io.EOF {
		close(s.read)
		<-s.rest
	}
	return n, err
}

// Bodies together are bounded, also those that have not come in whole. Short ones pass in any case.
func TestBodiesTogether(t *testing.T) {
	c := start(t, Options{})
	const part = 1 << 20
	s := &stalled{strings.NewReader(`{"prompt": "` + strings.Repeat("x", part)), make(chan struct{}), make(chan struct{})}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/v1/completions", s)
	ended := make(chan int)
	go func() {
		w := httptest.NewRecorder()
		c.ServeHTTP(w, r)
		ended <- w.Code
	}()
	<-s.read
	c.bodies.Add(maxBodies - 2*part) // of others
	long := `{"prompt": "x", "max_tokens": 1, "user": "` + strings.Repeat("x", 2*part) + `"}`
	for _, path := range []string{"/v1/completions", "/v1/messages/count_tokens", "/api/chat"} {
		if r := c.request(t, path, long); r.StatusCode != http.StatusTooManyRequests || r.Header.Get("Retry-After") != "1" {
			t.Errorf("%s: status %d, Retry-After %q", path, r.StatusCode, r.Header.Get("Retry-After"))
		}
	}
	get[completion](t, c, "/v1/completions", `{"prompt": "x", "max_tokens": 1}`)
	close(s.rest)
	if status := <-ended; status != http.StatusBadRequest { // it is not whole
		t.Errorf("status %d", status)
	}
	get[completion](t, c, "/v1/completions", long)
	if n := c.bodies.Load(); n != maxBodies-2*part {
		t.Errorf("%d bytes are counted when all are answered", n-(maxBodies-2*part))
	}
}

// Bodies may be compressed. What they are read to is bounded as other bodies are.
func TestCodedBodies(t *testing.T) {
	c := start(t, Options{})
	zip := func(text string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	const plain = `{"prompt": "The LORD", "max_tokens": 3, "temperature": 0, "cache_prompt": false}`
	want := get[completion](t, c, "/v1/completions", plain).Choices[0].Text
	for coding, body := range map[string]string{"gzip": zip(plain), "GZIP": zip(plain), "identity": plain} {
		if got := get[completion](t, c, "/v1/completions", body, "Content-Encoding", coding).Choices[0].Text; got != want {
			t.Errorf("%s: %q, want %q", coding, got, want)
		}
	}
	whole := zip(plain)
	for _, tt := range []struct {
		coding, body string
		status       int
		code         string
	}{
		{"br", plain, http.StatusUnsupportedMediaType, "request_body_encoding_unsupported"},
		{"gzip", plain, http.StatusBadRequest, "request_body_encoding_invalid"},
		{"gzip", whole[:len(whole)-8] + "12345678", http.StatusBadRequest, "request_body_encoding_invalid"},
		{"gzip", whole[:len(whole)-9], http.StatusBadRequest, "incomplete_body"},
		{"gzip", zip(`{"prompt": "` + strings.Repeat("x", maxBody) + `"}`), http.StatusRequestEntityTooLarge, "body_too_large"},
	} {
		if status, e := getError(t, c, "/v1/completions", tt.body, "Content-Encoding", tt.coding); status != tt.status || *e.Error.Code != tt.code {
			t.Errorf("%s, %d bytes: %d, %+v, want %d, %s", tt.coding, len(tt.body), status, e.Error, tt.status, tt.code)
		}
	}
}

// A body may begin with a byte order mark, in every protocol. One within it is no part of JSON.
func TestByteOrderMark(t *testing.T) {
	c := start(t, Options{})
	const mark, hi = "\ufeff", `{"model": "tiny", "max_tokens": 1, "stream": false, "messages": [{"role": "user", "content": "Hi"}]}`
	for _, path := range []string{"/v1/chat/completions", "/v1/messages", "/api/chat"} {
		if r := c.request(t, path, mark+hi); r.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", path, r.StatusCode)
		}
	}
	if status, e := getError(t, c, "/v1/chat/completions", mark+mark+hi); status != http.StatusBadRequest || *e.Error.Code != "invalid_json" {
		t.Errorf("%d, %+v", status, e)
	}
}
