package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestHealthAndUnknown(t *testing.T) {
	c := start(t, Options{APIKey: "secret"})
	if h := get[map[string]string](t, c, "/health", ""); h["status"] != "ok" {
		t.Errorf("%v", h)
	}
	if status, e := getError(t, c, "/v2/models", "", "x-api-key", "secret"); status != http.StatusNotFound || !strings.Contains(e.Error.Message, "/v2/models") {
		t.Errorf("%d, %+v", status, e)
	}
}

// A key comes in either header; without it nothing is told.
func TestAPIKey(t *testing.T) {
	c := start(t, Options{APIKey: "secret"})
	for _, tt := range []struct {
		header, value string
		status        int
	}{
		{"Authorization", "Bearer secret", 200},
		{"Authorization", "bearer  secret", 200},
		{"x-api-key", "secret", 200},
		{"Authorization", "Bearer secre", 401},
		{"Authorization", "Basic secret", 401},
		{"x-api-key", "secret2", 401},
		{"x-other", "secret", 401},
	} {
		r := c.request(t, "/v1/models", "", tt.header, tt.value)
		if r.StatusCode != tt.status {
			t.Errorf("%s: %s: status %d, want %d", tt.header, tt.value, r.StatusCode, tt.status)
		}
	}
}

// A monitor that speaks HTTP/1.0 names no host.
func TestNoHost(t *testing.T) {
	c := start(t, Options{})
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /health HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusOK {
		t.Errorf("status %d", r.StatusCode)
	}
}

// Pages of this machine and its programs may use the server, those of others only if they are named; a name that DNS rebinding leads here is refused.
func TestOriginsAndHosts(t *testing.T) {
	c := start(t, Options{Origins: []string{"https://chat.example.org"}, Hosts: []string{"box.lan"}})
	for _, tt := range []struct {
		host, origin string
		status       int
	}{
		{"", "", 200},
		{"localhost:11434", "http://localhost:3000", 200},
		{"127.0.0.1", "http://127.0.0.1", 200},
		{"[::1]:80", "http://[::1]:8080", 200},
		{"192.168.1.7", "", 200},
		{"box.lan:80", "http://box.lan:80", 200},
		{"host.docker.internal:11434", "", 200}, // of a container
		{"", "https://chat.example.org", 200},
		{"", "app://obsidian.md", 200},
		{"", "vscode-webview://1l2h3", 200},
		{"", "file://", 200},
		{"", "chrome-extension://abc", 403}, // which works on pages of any site
		{"", "app.evil.com", 403},
		{"", "https://chat.example.org.evil.com", 403},
		{"", "http://localhost.evil.com", 403},
		{"", "null", 403},
		{"evil.com", "", 403},
		{"internal", "", 403},
		{"host.internal.evil.com", "", 403},
		{"host.docker.internal", "http://evil.com", 403},
		{"evil.com", "http://evil.com", 403},
	} {
		headers := []string{"X-None", ""}
		if tt.host != "" {
			headers = append(headers, "Host", tt.host)
		}
		if tt.origin != "" {
			headers = append(headers, "Origin", tt.origin)
		}
		r := c.request(t, "/v1/models", "", headers...)
		allowed := r.Header.Get("Access-Control-Allow-Origin")
		if r.StatusCode != tt.status || tt.status == 200 && allowed != tt.origin || tt.status != 200 && allowed != "" {
			t.Errorf("host %q, origin %q: status %d, allows %q", tt.host, tt.origin, r.StatusCode, allowed)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, c.url+"/v1/chat/completions", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", "http://localhost:3000")
	r.Header.Set("Access-Control-Request-Headers", "authorization,content-type")
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
	if a.StatusCode != http.StatusNoContent || a.Header.Get("Access-Control-Allow-Headers") != "authorization,content-type" ||
		!strings.Contains(a.Header.Get("Access-Control-Allow-Methods"), "POST") {
		t.Errorf("preflight: %d, %v", a.StatusCode, a.Header)
	}
}

func TestBodyLimit(t *testing.T) {
	c := start(t, Options{})
	body := `{"prompt": "` + strings.Repeat("x", maxBody) + `"}`
	if status, e := getError(t, c, "/v1/completions", body); status != http.StatusRequestEntityTooLarge || *e.Error.Code != "body_too_large" {
		t.Errorf("%d, %+v", status, e)
	}
}

// The log tells of requests, and not what they say.
func TestLog(t *testing.T) {
	var log bytes.Buffer
	c := start(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	get[completion](t, c, "/v1/completions", `{"prompt": "Beelzebub", "max_tokens": 3, "temperature": 0}`)
	getError(t, c, "/v1/completions", `{"prompt": "Beelzebub", "top_p": 7}`)
	c.http.Close() // which waits for the requests' ends
	for _, want := range []string{`msg="loaded a model" model=tiny`, "method=POST path=/v1/completions status=200", "model=tiny prompt_tokens=", "tokens=3 stop=length",
		"status=400", "error=invalid_value"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%s is not in the log:\n%s", want, &log)
		}
	}
	if strings.Contains(log.String(), "Beelzebub") {
		t.Errorf("the log tells the prompt:\n%s", &log)
	}
}

// A request of many texts has one line of the log, with their sums.
func TestLogOfManyTexts(t *testing.T) {
	var log bytes.Buffer
	c := start(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	get[completion](t, c, "/v1/completions", `{"prompt": ["a", "b", "c"], "n": 2, "max_tokens": 3, "ignore_eos": true}`)
	c.http.Close() // which waits for the request's end
	if line := log.String(); strings.Count(line, "tokens=") != 3 || !strings.Contains(line, " texts=6 prompt_tokens=") || !strings.Contains(line, " tokens=18 stop=length\n") {
		t.Error(line)
	}
}

// listening serves on a port of its own until ctx ends.
func listening(t *testing.T, ctx context.Context, drain time.Duration) (c *client, served chan error) {
	t.Helper()
	s, err := New(Options{Models: []string{modelPath}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served = make(chan error, 1)
	go func() { served <- s.serve(ctx, l, drain) }()
	return &client{Server: s, url: "http://" + l.Addr().String()}, served
}

const endless = `{"prompt": "The LORD", "ignore_eos": true, "max_tokens": -1, "stream": true}`

// A server that ends lets requests come to their end if they do so soon, and ends the others with an error.
func TestServeEnds(t *testing.T) {
	for _, tt := range []struct {
		drain time.Duration
		done  string // how the stream ends
	}{
		{time.Hour, `"finish_reason":"length"`},
		{time.Nanosecond, `"code":"shutting_down"`},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c, served := listening(t, ctx, tt.drain)
		r := c.request(t, "/v1/completions", endless)
		first := make([]byte, 10)
		if _, err := r.Body.Read(first); err != nil {
			t.Fatal(err)
		}
		cancel()
		var rest bytes.Buffer
		if _, err := rest.ReadFrom(r.Body); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(rest.String(), tt.done) || !strings.HasSuffix(rest.String(), "data: [DONE]\n\n") {
			t.Errorf("drain %v: the stream ends with %q", tt.drain, rest.String()[max(0, rest.Len()-300):])
		}
		if err := <-served; err != nil {
			t.Errorf("drain %v: %v", tt.drain, err)
		}
		if _, err := c.send(t.Context(), "/health", ""); err == nil {
			t.Error("the server still answers")
		}
	}
}

func TestClosed(t *testing.T) {
	c := start(t, Options{})
	c.Close()
	if status, e := getError(t, c, "/v1/completions", `{"prompt": "x"}`); status != http.StatusServiceUnavailable || *e.Error.Code != "shutting_down" {
		t.Errorf("%d, %+v", status, e)
	}
}

// noticing calls a function when an answer is written.
type noticing struct {
	*httptest.ResponseRecorder
	writes func()
}

func (w *noticing) Write(p []byte) (int, error) {
	w.writes()
	return w.ResponseRecorder.Write(p)
}

// An answer that is no stream is written when its place and its model are free: a client that reads it slowly holds neither.
func TestPlaceFreeBeforeAnswer(t *testing.T) {
	c := start(t, Options{Parallel: 1})
	for path, body := range map[string]string{
		"/v1/completions":      `{"prompt": "x", "max_tokens": 1}`,
		"/v1/chat/completions": `{"messages": [{"role": "user", "content": "x"}], "max_tokens": 1}`,
		"/v1/responses":        `{"input": "x", "max_output_tokens": 1}`,
		"/v1/messages":         `{"messages": [{"role": "user", "content": "x"}], "max_tokens": 1}`,
		"/api/chat":            `{"messages": [{"role": "user", "content": "x"}], "options": {"num_predict": 1}, "stream": false}`,
		"/api/generate":        `{"prompt": "x", "options": {"num_predict": 1}, "stream": false}`,
	} {
		w := &noticing{httptest.NewRecorder(), func() {
			if !c.places.TryAcquire(1) || c.models.served[0].users != 0 {
				t.Errorf("%s: while the answer is written, the place is not free", path)
				return
			}
			if n := c.waiting.Load(); n != 0 {
				t.Errorf("%s: %d requests wait", path, n)
			}
			c.places.Release(1)
		}}
		c.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost"+path, strings.NewReader(body)))
		if w.Code != http.StatusOK || w.Body.Len() == 0 {
			t.Errorf("%s: status %d, %s", path, w.Code, w.Body)
		}
	}
}

// A client that does not read its answer loses the connection after a while, and one that does keeps it.
func TestUnreadAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, end := connected(t)
		answers := bufio.NewReader(client)
		for range 2 {
			if _, err := io.WriteString(client, "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			r, err := http.ReadResponse(answers, nil)
			if err == nil {
				_, err = io.Copy(io.Discard, r.Body)
			}
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(answerTimeout + time.Second) // less than idleTimeout
		}
		begin := time.Now()
		if _, err := io.WriteString(client, "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // the answer is being written
		end()           // which waits for it
		if took := time.Since(begin); took < answerTimeout || took > answerTimeout+time.Second {
			t.Errorf("the connection was closed after %v, want %v", took, answerTimeout)
		}
		client.Close()
	})
}

// connected serves one connection, and returns its client's end. end waits until the server has ended.
func connected(t *testing.T) (client net.Conn, end func()) {
	t.Helper()
	s, err := New(Options{Models: []string{modelPath}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	l, served := make(pipes, 1), make(chan error)
	go func() { served <- s.serve(ctx, l, time.Hour) }()
	client, conn := net.Pipe()
	l <- conn
	return client, func() {
		cancel()
		close(l)
		if err := <-served; err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		s.Close()
	}
}

// pipes is a listener whose connections are pipes.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// Clients that send their header or body a byte now and then, or that say nothing more, do not keep a connection.
func TestSlowClients(t *testing.T) {
	for _, tt := range []struct {
		name, first, then string
		limit             time.Duration
		want              string // of the answer
	}{
		{"a header", "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n", "X-A: b\r\n", headerTimeout, ""},
		{"a body", "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n{", " ", bodyTimeout, "incomplete_body"},
		{"a body that stops", "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{", "", bodyTimeout, "incomplete_body"},
		{"a body that nobody reads", "POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{", "", bodyTimeout, "unknown_url"},
		{"a body from a page that may not ask", "POST /v1/completions HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 100\r\n\r\n{", "", bodyTimeout, "host_not_allowed"},
		{"nothing after a request", "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", "", idleTimeout, `"ok"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, end := connected(t)
				begin := time.Now()
				var writing sync.WaitGroup
				writing.Go(func() {
					for data := tt.first; data != ""; data = tt.then {
						if _, err := client.Write([]byte(data)); err != nil {
							return
						}
						time.Sleep(time.Second)
					}
				})
				answer, err := io.ReadAll(client)
				if took := time.Since(begin); err != nil || took < tt.limit || took > tt.limit+2*time.Second || !strings.Contains(string(answer), tt.want) {
					t.Errorf("after %v: %q, %v; want the connection closed after %v", took, answer, err, tt.limit)
				}
				client.Close()
				writing.Wait()
				end()
			})
		})
	}
}
