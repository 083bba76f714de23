package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/convert"
	"st/quant"
	"st/runtime"
)

// modelPath is the trained model of testdata in Q4_0, and otherPath the same in F32.
var modelPath, otherPath string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "st-server-")
	if err == nil {
		modelPath, otherPath = filepath.Join(dir, "tiny.stm"), filepath.Join(dir, "other.stm")
		for path, typ := range map[string]quant.Type{modelPath: quant.Q4_0, otherPath: quant.F32} {
			if err == nil {
				_, err = convert.Run(context.Background(), "../../testdata/tiny-smallthinker", path,
					convert.Options{Recipe: convert.Recipe{Type: typ}, Encoder: convert.Search})
			}
		}
	}
	program := runtime.ProgramMemory()
	programMemory = func() int64 { return program }
	code := 1
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// client talks to a server of a test.
type client struct {
	*Server
	url  string
	http *httptest.Server
}

// start starts a server of the tiny model, unless the options name others, until the test ends.
func start(t *testing.T, opts Options) *client {
	t.Helper()
	if opts.Models == nil {
		opts.Models = []string{modelPath}
	}
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, s)
}

// newClient talks to a server, until the test ends, which closes it.
func newClient(t *testing.T, s *Server) *client {
	t.Helper()
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		h.Close()
	})
	return &client{s, h.URL, h}
}

// request sends a request and returns the answer; a body makes it a POST.
func (c *client) request(t *testing.T, path, body string, headers ...string) *http.Response {
	t.Helper()
	r, err := c.send(t.Context(), path, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Body.Close() })
	return r
}

func (c *client) send(ctx context.Context, path, body string, headers ...string) (*http.Response, error) {
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(headers); i += 2 {
		if r.Header.Set(headers[i], headers[i+1]); headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	return http.DefaultClient.Do(r)
}

// get sends a request that must be answered with status 200, and decodes the answer.
func get[T any](t *testing.T, c *client, path, body string, headers ...string) (v T) {
	t.Helper()
	r := c.request(t, path, body, headers...)
	data, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", r.StatusCode)
	}
	if err == nil {
		err = json.Unmarshal(data, &v)
	}
	if err != nil {
		t.Fatalf("%s %s: %v: %s", path, body, err, data)
	}
	return v
}

// getError sends a request that must fail, and returns the status and the error in OpenAI's form.
func getError(t *testing.T, c *client, path, body string, headers ...string) (int, openAIError) {
	t.Helper()
	r := c.request(t, path, body, headers...)
	var e openAIError
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil || r.StatusCode < 400 || e.Error.Message == "" {
		t.Fatalf("%s %s: status %d, %+v, %v", path, body, r.StatusCode, e, err)
	}
	return r.StatusCode, e
}

// stream sends a request and returns the data of the events that come.
func stream(t *testing.T, c *client, path, body string) (events []string) {
	t.Helper()
	r := c.request(t, path, body)
	if got := r.Header.Get("Content-Type"); r.StatusCode != http.StatusOK || got != "text/event-stream" {
		t.Fatalf("%s %s: status %d, %s", path, body, r.StatusCode, got)
	}
	lines := bufio.NewScanner(r.Body)
	for lines.Scan() {
		if data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: ")); ok {
			events = append(events, string(data))
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return events
}
