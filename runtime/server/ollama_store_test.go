package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/runtime"
	store "st/runtime/models"
)

// newStore returns a store with the small model under those names.
func newStore(t *testing.T, names ...string) *store.Store {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "models"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		keep(t, s, name)
	}
	return s
}

// keep copies the small model into a store.
func keep(t *testing.T, s *store.Store, name string) {
	t.Helper()
	n, err := store.ParseName(name)
	if err == nil {
		_, err = s.Copy(t.Context(), modelPath, n, store.CopyOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// do sends a request with a method and a body, and returns the status and the error that the answer has.
func (c *client) do(t *testing.T, method, path, body string) (status int, message string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var e ollamaError
	_ = json.NewDecoder(r.Body).Decode(&e) // an answer may be empty
	return r.StatusCode, e.Error
}

func (c *client) tags(t *testing.T) string {
	t.Helper()
	var names []string
	for _, m := range get[map[string][]ollamaModel](t, c, "/api/tags", "")["models"] {
		names = append(names, m.Name)
	}
	return strings.Join(names, " ")
}

// The models of a store come, go and are copied while the server runs, and go by short names.
func TestStore(t *testing.T) {
	s := newStore(t)
	c := start(t, Options{Models: []string{}, Store: s})
	if got := c.tags(t); got != "" {
		t.Error(got)
	}
	if status, e := getError(t, c, "/v1/completions", `{"prompt": "x"}`); status != 400 || !strings.Contains(e.Error.Message, "one of none") {
		t.Error(status, e)
	}
	keep(t, s, "Org/Model:q4_0")
	if got := c.tags(t); got != "Org/Model:q4_0" {
		t.Error(got)
	}
	if err := os.WriteFile(filepath.Join(s.Dir(), "damaged.stm"), []byte("no model"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Org/Model:q4_0", "model", "ORG/model:latest", "", "hf.co/Org/Model"} {
		a := get[ollamaAnswer](t, c, "/api/generate", fmt.Sprintf(`{"model": %q, "prompt": "x", "stream": false, "options": {"num_predict": 1}}`, name))
		if !a.Done {
			t.Errorf("%s: %+v", name, a)
		}
	}
	for _, tt := range []struct {
		method, path, body string
		status             int
		message, tags      string
	}{
		{"POST", "/api/copy", `{"source": "model", "destination": "mine"}`, 200, "", "mine:latest Org/Model:q4_0"},
		{"POST", "/api/copy", `{"source": "model", "destination": "mine:latest"}`, 200, "", "mine:latest Org/Model:q4_0"},
		{"POST", "/api/copy", `{"source": "model", "destination": "../mine"}`, 400, "destination: ", "mine:latest Org/Model:q4_0"},
		{"POST", "/api/copy", `{"source": "none", "destination": "x"}`, 404, "model 'none' not found", "mine:latest Org/Model:q4_0"},
		{"POST", "/api/show", `{"model": "MINE"}`, 200, "", "mine:latest Org/Model:q4_0"},
		{"DELETE", "/api/delete", `{"model": "none"}`, 404, "model 'none' not found", "mine:latest Org/Model:q4_0"},
		{"DELETE", "/api/delete", `{"model": "../mine"}`, 404, "not found", "mine:latest Org/Model:q4_0"},
		{"DELETE", "/api/delete", `{"model": "model"}`, 404, "model 'model' not found: 'Org/Model:q4_0' is deleted by its full name", "mine:latest Org/Model:q4_0"},
		{"DELETE", "/api/delete", `{"model": "Org/Model"}`, 404, "is deleted by its full name", "mine:latest Org/Model:q4_0"},
		{"DELETE", "/api/delete", `{"model": "org/model:q4_0"}`, 200, "", "mine:latest"},
		{"DELETE", "/api/delete", `{"model": "org/model:q4_0"}`, 404, "model 'org/model:q4_0' not found", "mine:latest"},
		{"POST", "/api/pull", `{"model": "Org/Model"}`, 405, "cannot be pulled here", "mine:latest"},
	} {
		status, message := c.do(t, tt.method, tt.path, tt.body)
		if got := c.tags(t); status != tt.status || !strings.Contains(message, tt.message) || got != tt.tags {
			t.Errorf("%s %s: %d, %q, then %s; want %d, %q, %s", tt.path, tt.body, status, message, got, tt.status, tt.message, tt.tags)
		}
	}
	keep(t, s, "Other/mine")
	keep(t, s, "Third/mine")
	if err := os.Remove(filepath.Join(s.Dir(), "mine.stm")); err != nil {
		t.Fatal(err)
	}
	if status, e := getError(t, c, "/v1/completions", `{"model": "mine", "prompt": "x"}`); status != 400 || !strings.Contains(e.Error.Message, "Other/mine, Third/mine") {
		t.Error(status, e)
	}
}

// What changes models names them, also where there is one only.
func TestStoreUnnamed(t *testing.T) {
	c := start(t, Options{Models: []string{}, Store: newStore(t, "mine"), Pull: func(context.Context, string, func(done, total int64)) error { return nil }})
	for _, tt := range []struct{ method, path, body, want string }{
		{"DELETE", "/api/delete", `{}`, "model: it must name the model to delete"},
		{"DELETE", "/api/delete", `{"modle": "other"}`, "model: it must name the model to delete"},
		{"DELETE", "/api/delete", `{"name": ""}`, "model: it must name the model to delete"},
		{"POST", "/api/copy", `{"destination": "other"}`, "source: it must name the model to copy"},
		{"POST", "/api/copy", `{"source": "mine"}`, "destination: "},
		{"POST", "/api/pull", `{}`, "model: it must name the model to pull"},
	} {
		status, message := c.do(t, tt.method, tt.path, tt.body)
		if got := c.tags(t); status != http.StatusBadRequest || !strings.HasPrefix(message, tt.want) || got != "mine:latest" {
			t.Errorf("%s %s: %d, %q, then %s; want %q", tt.path, tt.body, status, message, got, tt.want)
		}
	}
}

// A model that is removed while it is used answers the request, and leaves the memory after that. Its name is free at once.
func TestRemovedWhileUsed(t *testing.T) {
	s := newStore(t, "mine", "other") // where there is one model, it has all of the memory
	c := start(t, Options{Models: []string{}, Store: s})
	j, err := c.begin(t.Context(), "mine", nil)
	if err != nil {
		t.Fatal(err)
	}
	old := j.served
	if status, message := c.do(t, "DELETE", "/api/delete", `{"model": "mine"}`); status != http.StatusOK {
		t.Fatal(status, message)
	}
	if status, _ := c.do(t, "POST", "/api/generate", `{"model": "mine", "prompt": "x"}`); status != http.StatusNotFound {
		t.Errorf("a removed model answers with status %d", status)
	}
	keep(t, s, "mine")
	get[ollamaAnswer](t, c, "/api/generate", `{"model": "mine", "prompt": "x", "stream": false, "options": {"num_predict": 1}}`)
	if n := len(get[map[string][]any](t, c, "/api/ps", "")["models"]); n != 2 {
		t.Errorf("%d models are loaded, want the removed and the new one", n)
	}
	for p, err := range j.generate(t.Context(), []int32{1, 2, 3}, runtime.Generate{MaxTokens: 3, IgnoreEOS: true}) {
		if err != nil || p.Done != nil && len(p.Done.Tokens) != 3 {
			t.Error(p, err)
		}
	}
	j.end()
	c.models.unloaded(old)
	c.models.mu.Lock()
	defer c.models.mu.Unlock()
	if len(c.models.dropped) != 0 {
		t.Errorf("%d models are still held", len(c.models.dropped))
	}
}

// A model that is removed while a request is about to load it is not found, on every protocol, and no path is told.
func TestRemovedBeforeLoaded(t *testing.T) {
	s := newStore(t, "mine")
	c := start(t, Options{Models: []string{}, Store: s})
	sv, err := c.models.find("mine")
	if err == nil {
		err = os.Remove(filepath.Join(s.Dir(), "mine.stm"))
	}
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.models.acquire(t.Context(), sv)
	for _, path := range []string{"/v1/chat/completions", "/v1/messages", "/api/chat"} {
		w := httptest.NewRecorder()
		writeError(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, nil), err)
		if got := w.Body.String(); w.Code != http.StatusNotFound || !strings.Contains(got, `the model \"mine\" was removed`) || strings.Contains(got, ".stm") {
			t.Errorf("%s: status %d, %s", path, w.Code, got)
		}
	}
}

// Only the model's own file tells by its absence that the model was removed.
func TestRemovedOrOther(t *testing.T) {
	here := &served{ModelInfo: ModelInfo{Name: "here", Path: modelPath}}
	gone := &served{ModelInfo: ModelInfo{Name: "gone", Path: modelPath + ".gone"}}
	_, missing := os.Open(filepath.Join(t.TempDir(), "other"))
	for _, tt := range []struct {
		name string
		sv   *served
		err  error
		want string // the same error, if it is empty
	}{
		{"its file is gone", gone, missing, `the model "gone" was removed`},
		{"another file is", here, missing, ""},
		{"something else is wrong", gone, os.ErrPermission, ""},
	} {
		switch got := orRemoved(tt.sv, tt.err); {
		case tt.want == "" && got != tt.err, tt.want != "" && got.Error() != tt.want:
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// pullLines sends a request to /api/pull and returns the lines that come.
func pullLines(t *testing.T, c *client, body string) (all []string) {
	t.Helper()
	r := c.request(t, "/api/pull", body)
	lines := bufio.NewScanner(r.Body)
	for lines.Scan() {
		all = append(all, lines.Text())
	}
	return all
}

func TestPull(t *testing.T) {
	s := newStore(t)
	step := make(chan int64)
	c := start(t, Options{Models: []string{}, Store: s, Pull: func(ctx context.Context, name string, progress func(done, total int64)) error {
		switch name {
		case "Org/none":
			return &Error{Status: http.StatusNotFound, Message: "there is no such repository"}
		case "Org/broken":
			return errors.New("the connection broke")
		}
		for done := range step {
			progress(done, 100)
		}
		keep(t, s, name)
		return nil
	}})
	got := make(chan []string)
	go func() { got <- pullLines(t, c, `{"name": "Org/Model"}`) }()
	step <- 40
	step <- 100
	close(step)
	lines := <-got
	digest := pullDigest("Org/Model")
	layer := fmt.Sprintf(`{"status":"pulling %s","digest":"sha256:%s","total":100,"completed":100}`, digest[:12], digest)
	if lines[0] != `{"status":"pulling manifest"}` || strings.Join(lines[len(lines)-4:], "\n") != layer+"\n"+`{"status":"verifying sha256 digest"}
{"status":"writing manifest"}
{"status":"success"}` {
		t.Errorf("%q", lines)
	}
	if got := c.tags(t); got != "Org/Model:latest" {
		t.Error(got)
	}
	get[ollamaAnswer](t, c, "/api/generate", `{"model": "Org/Model", "prompt": "x", "stream": false, "options": {"num_predict": 1}}`)
	if got := get[map[string]string](t, c, "/api/pull", `{"model": "Org/Again", "stream": false}`); len(got) != 1 || got["status"] != "success" {
		t.Error(got)
	}
	if lines := pullLines(t, c, `{"model": "Org/broken"}`); len(lines) != 2 || lines[1] != `{"error":"the connection broke"}` {
		t.Errorf("%q", lines)
	}
	for body, want := range map[string]int{
		`{"model": "Org/none", "stream": false}`: 404, `{"model": "Org/broken", "stream": false}`: 500, `{"model": "../x"}`: 400, `{}`: 400, `{`: 400,
	} {
		if status, message := c.do(t, "POST", "/api/pull", body); status != want || message == "" {
			t.Errorf("%s: %d, %s", body, status, message)
		}
	}
}

// Clients that pull one model share its download, which goes on while one of them is there, and is cancelled when none is.
func TestPullShared(t *testing.T) {
	began, cancelled := make(chan string, 10), make(chan error, 10)
	c := start(t, Options{Models: []string{}, Store: newStore(t), Pull: func(ctx context.Context, name string, progress func(done, total int64)) error {
		began <- name
		progress(1, 2)
		<-ctx.Done()
		cancelled <- ctx.Err()
		return ctx.Err()
	}})
	follow := func(body string) (leave func()) {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := c.send(ctx, "/api/pull", body)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() && !strings.Contains(lines.Text(), "completed") {
		}
		return func() { cancel(); r.Body.Close() }
	}
	first := follow(`{"model": "Org/Model"}`)
	second := follow(`{"model": "org/model"}`)
	if name := <-began; name != "Org/Model" || len(began) != 0 {
		t.Errorf("%s began, and %d more", name, len(began))
	}
	first()
	third := follow(`{"model": "Org/Model"}`)
	if len(began)+len(cancelled) != 0 {
		t.Error("the download ended with its first client")
	}
	second()
	third()
	if err := <-cancelled; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// The next one begins when the last has ended.
	again := follow(`{"model": "Org/Model"}`)
	if name := <-began; name != "Org/Model" {
		t.Error(name)
	}
	// What still runs ends with the server.
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	<-cancelled
	again()
}
