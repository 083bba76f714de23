package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	"st/runtime"
	"st/runtime/server"
)

func TestListenAddress(t *testing.T) {
	for _, tt := range []struct{ flag, variable, want, err string }{
		{"", "", "127.0.0.1:11434", ""},
		{"", "0.0.0.0", "0.0.0.0:11434", ""},
		{"", " \"box:80\" ", "box:80", ""},
		{"", `" 1.2.3.4 "`, "1.2.3.4:11434", ""},
		{"", "1.2.3.4:80/", "1.2.3.4:80", ""},
		{"", "box/ollama", "box:11434", ""},
		{"", ":8080", ":8080", ""},
		{"", "http://box", "box:80", ""},
		{"", "https://box:8443/", "box:8443", ""},
		{"", "[::1]", "[::1]:11434", ""},
		{"", "::1", "[::1]:11434", ""},
		{"[::1]:5", "box", "[::1]:5", ""},
		{"localhost", "box", "localhost:11434", ""},
		{"18001", "", "127.0.0.1:18001", ""}, // this machine's: no key is needed
		{"", "18001", "127.0.0.1:18001", ""},
		{"99999", "", "", "is not a port"},
		{"a:b:c", "", "", "--addr is"},
		{"a:99999", "", "", "is not a port"},
		{"", "http://", "", "OLLAMA_HOST is"},
		{"/", "", "", "--addr is"},
	} {
		got, err := listenAddress(tt.flag, tt.variable)
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%q, %q: %q, %v; want %q, %q", tt.flag, tt.variable, got, err, tt.want, tt.err)
		}
	}
}

// A model that is hardly larger than nothing takes what it needs at least, not less than that.
func TestMemoryOf(t *testing.T) {
	const mebibyte = 1 << 20
	for _, tt := range []struct {
		all, least int64
		want       string
	}{
		{50 * mebibyte, 46 * mebibyte, "50 MiB of memory, or as little as 46 MiB"},
		{46 * mebibyte, 46 * mebibyte, "46 MiB of memory"},
		{42 * mebibyte, 43 * mebibyte, "43 MiB of memory"},
	} {
		if got := memoryOf(tt.all, tt.least); got != tt.want {
			t.Errorf("%d, %d: %q, want %q", tt.all, tt.least, got, tt.want)
		}
	}
}

// startServer runs st serve with those arguments until stop is called, which checks that it ends well and returns its log. printed is what it prints
// before its address.
func startServer(t *testing.T, args ...string) (url, printed string, stop func() string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, w := io.Pipe()
	var log bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- runContext(ctx, append([]string{"serve", "--addr", "127.0.0.1:0"}, args...), strings.NewReader(""), w, &log)
		w.Close()
	}()
	lines := bufio.NewScanner(out)
	for url == "" && lines.Scan() {
		if _, url, _ = strings.Cut(lines.Text(), "listening on "); url == "" {
			printed += lines.Text() + "\n"
		}
	}
	if url == "" {
		t.Fatalf("it ends with code %d: %s", <-code, &log)
	}
	return url, printed, func() string {
		cancel()
		if c := <-code; c != exitOK {
			t.Errorf("it ends with code %d: %s", c, &log)
		}
		return log.String()
	}
}

// The process gets processors for threads that read when a model is loaded whose experts are read by threads, and not otherwise.
func TestServeReadThreads(t *testing.T) {
	was := goruntime.GOMAXPROCS(0)
	defer goruntime.GOMAXPROCS(was)
	for _, method := range []string{"uring", "threads"} {
		t.Setenv("ST_IO", method)
		goruntime.GOMAXPROCS(was)
		url, _, stop := startServer(t, tiny(t), "--memory", "1GiB", "--threads", "2")
		if n := goruntime.GOMAXPROCS(0); n != was {
			t.Errorf("%s: before a model is loaded, %d processors instead of %d", method, n, was)
		}
		r, err := http.Post(url+"/v1/completions", "application/json", strings.NewReader(`{"model": "tiny", "prompt": "Once", "max_tokens": 1}`))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(r.Body)
		r.Body.Close()
		stop()
		if method == "uring" && bytes.Contains(body, []byte("ST_IO=uring")) {
			continue // there is none here
		}
		if r.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", method, body)
		}
		want := was
		if method == "threads" {
			want = max(was, 2+runtime.ReadThreads)
		}
		if n := goruntime.GOMAXPROCS(0); n != want {
			t.Errorf("%s: %d processors, want %d", method, n, want)
		}
	}
}

// Without arguments the models that are kept are served, also those that come later.
func TestServeStore(t *testing.T) {
	dir := useStore(t)
	url, printed, stop := startServer(t)
	defer stop()
	if printed != "" {
		t.Error(printed)
	}
	copyFile(t, tiny(t), filepath.Join(dir, "Org", "Model@q4_0.stm"))
	post := func(path, body string) (status int, answer string) {
		t.Helper()
		r, err := http.Post(url+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, string(text)
	}
	if status, a := post("/api/generate", `{"model": "model", "prompt": "x", "stream": false, "options": {"num_predict": 1}}`); status != http.StatusOK {
		t.Error(status, a)
	}
	if status, a := post("/api/copy", `{"source": "model", "destination": "mine"}`); status != http.StatusOK {
		t.Error(status, a)
	}
	if got := must(t, "list"); !strings.Contains(got, "mine ") {
		t.Error(got)
	}
	must(t, "rm", "Org/Model:q4_0")
	if status, a := post("/api/generate", `{"model": "org/model", "prompt": "x"}`); status != http.StatusNotFound {
		t.Error(status, a)
	}
	one, printed, stopOne := startServer(t, "MINE")
	defer stopOne()
	if !strings.HasPrefix(printed, "mine ") {
		t.Error(printed)
	}
	url = one
	if status, a := post("/api/copy", `{"source": "mine", "destination": "x"}`); status != http.StatusMethodNotAllowed {
		t.Error(status, a)
	}
}

// The server tells where it listens, answers, and ends well when it is interrupted.
func TestServe(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	url, printed, stop := startServer(t, tiny(t), "--api-key-file", key, "--memory", "1GiB", "--parallel", "2")
	if !strings.HasPrefix(printed, "tiny ") || strings.Count(printed, "\n") != 1 {
		t.Errorf("it prints %q", printed)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/chat/completions",
		strings.NewReader(`{"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5, "ignore_eos": true}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer secret")
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Usage struct {
			Tokens int `json:"completion_tokens"`
		}
	}
	if err := json.NewDecoder(a.Body).Decode(&got); err != nil || got.Usage.Tokens != 5 {
		t.Errorf("%+v, %v", got, err)
	}
	a.Body.Close()
	if log := stop(); !strings.Contains(log, "path=/v1/chat/completions status=200") {
		t.Errorf("the log is %s", log)
	}
}

// The second signal does not wait for what runs: it ends with an error.
func TestServeInterruptedTwice(t *testing.T) {
	a, _, _ := testApp()
	out, w := io.Pipe()
	a.stdout, a.quiet = &output{w: w, onError: func() {}}, true
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- a.serve(ctx, []string{tiny(t)}, &serveFlags{addr: "127.0.0.1:0"})
	}()
	url := ""
	for lines := bufio.NewScanner(out); url == "" && lines.Scan(); {
		_, url, _ = strings.Cut(lines.Text(), "listening on ")
	}
	r, err := http.Post(url+"/v1/completions", "application/json", strings.NewReader(`{"prompt": "The LORD", "ignore_eos": true, "max_tokens": -1, "n": 128, "stream": true}`))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	lines := bufio.NewScanner(r.Body)
	if !lines.Scan() {
		t.Fatal(lines.Err())
	}
	cancel()
	if !a.interrupts.hastened() { // as a second signal does
		t.Error("a second signal ends the program")
	}
	last := ""
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: {"); ok {
			last = data
		}
	}
	if !strings.Contains(last, "shutting_down") {
		t.Errorf("the stream ends with %q", last)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// --keep-alive takes what Ollama's API does.
func TestKeepAliveFlag(t *testing.T) {
	for text, want := range map[string]time.Duration{"10": 10 * time.Second, "1.5": 1500 * time.Millisecond, "5m": 5 * time.Minute, "0": 0, "-1": -1, "-1s": -1} {
		var got time.Duration
		if err := (keepAliveFlag{&got}).Set(text); err != nil || got != want {
			t.Errorf("--keep-alive %s: %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestServeRefuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"no-such-model"}, exitFailure, `no model "no-such-model"`},
		{[]string{tiny(t), "--addr", "0.0.0.0:0"}, exitUsage, "--insecure"},
		{[]string{tiny(t), "--api-key", "x", "--api-key-file", empty}, exitUsage, "two ways"},
		{[]string{tiny(t), "--api-key-file", empty}, exitFailure, "no key in it"},
		{[]string{tiny(t), tiny(t)}, exitFailure, "both called tiny"},
		{[]string{empty}, exitFailure, "empty"},
		{[]string{tiny(t), "--keep-alive", "soon"}, exitUsage, `it must be a number of seconds or a time such as "5m"`},
		{[]string{tiny(t), "--parallel", "0"}, exitUsage, "it must be 1 to 256"},
		{[]string{tiny(t), "--memory", "1MiB"}, exitFailure, "too small: 1MiB; this model needs"},
	} {
		if o := st(append([]string{"serve"}, tt.args...)...); o.code != tt.code || !strings.Contains(o.stderr, tt.want) {
			t.Errorf("st serve %v: %+v, want code %d and %q", tt.args, o, tt.code, tt.want)
		}
	}
}

// A server says what its models may take, and by whose word.
func TestSharedMemoryNote(t *testing.T) {
	const gibibyte = 1 << 30
	for _, tt := range []struct {
		memory server.Memory
		want   string
	}{
		{server.Memory{Total: 19 * gibibyte, Allowed: 20 * gibibyte, Source: "a test"}, "note: a test allows 20 GiB: all models together take up to 19 GiB, as with --memory 19456MiB; "},
		{server.Memory{}, "note: how much memory there is is not known: models are mapped into memory"},
	} {
		if got := sharedMemoryNote(tt.memory); !strings.HasPrefix(got, tt.want) || strings.Contains(got, "\n") {
			t.Errorf("%+v: %q, want %q", tt.memory, got, tt.want)
		}
	}
}
