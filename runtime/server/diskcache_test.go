package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/runtime"
)

// A prompt is kept from one run of the server to the next, and answered as before. What is damaged is run again.
func TestKeptPrompts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kept [a-b]") // a name that is a pattern, too
	prompt := strings.Repeat("Thou art a man of Israel, and I am the LORD. ", 12)
	ask := func(c *client, prompt string) completion {
		body, _ := json.Marshal(map[string]any{"prompt": prompt, "temperature": 0, "max_tokens": 8})
		return get[completion](t, c, "/v1/completions", string(body))
	}
	files := func() []string {
		all, err := (&diskCache{dir: dir}).paths()
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	serve := func(size int64, f func(c *client)) {
		s, err := New(Options{Models: []string{otherPath}, CacheDir: dir, CacheSize: size})
		if err != nil {
			t.Fatal(err)
		}
		f(newClient(t, s))
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}

	var want completion
	serve(0, func(c *client) {
		if want = ask(c, prompt); want.Usage.Details.CachedTokens != 0 {
			t.Errorf("the first request has %d cached tokens", want.Usage.Details.CachedTokens)
		}
		ask(c, "Hi") // which is too short for a file
	})
	if n := len(files()); n != 1 {
		t.Fatalf("%d files, want 1", n)
	}
	longer := prompt + want.Choices[0].Text + " Go on."
	fresh := ask(start(t, Options{Models: []string{otherPath}}), longer)
	serve(0, func(c *client) {
		got := ask(c, longer)
		if got.Choices[0].Text != fresh.Choices[0].Text || got.Usage.Details.CachedTokens < want.Usage.PromptTokens {
			t.Errorf("%q with %d cached tokens of %d, want %q", got.Choices[0].Text, got.Usage.Details.CachedTokens, got.Usage.PromptTokens, fresh.Choices[0].Text)
		}
	})

	data, err := os.ReadFile(files()[0])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(files()[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	serve(0, func(c *client) {
		if got := ask(c, longer); got.Usage.Details.CachedTokens != 0 || got.Choices[0].Text != fresh.Choices[0].Text {
			t.Errorf("of a damaged file: %+v, want %q", got, fresh.Choices[0].Text)
		}
	})

	// Files keep to their bound: those that were used least recently go.
	one := int64(len(data))
	for i := range 3 {
		serve(2*one, func(c *client) { ask(c, fmt.Sprint("Number ", i, ". ", prompt)) })
	}
	var total int64
	for _, f := range files() {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	if total > 2*one || total == 0 {
		t.Errorf("the files have %d bytes, the bound is %d", total, 2*one)
	}
}

// A prompt that is answered anew in each run of the server, each time in another way, is kept once. Other prompts stay, also those that begin alike.
func TestKeptOnce(t *testing.T) {
	dir := t.TempDir()
	same := strings.Repeat("Thou art a man of Israel, and I am the LORD. ", 12)
	for run, tt := range []struct {
		prompt   string
		answer   int // tokens
		files    int
		replaced bool
	}{
		{same, 8, 1, false},
		{same, 8, 1, true},
		{same, 150, 1, true}, // more than what is worth a file
		{same, 150, 1, true},
		{same + "And who art thou?", 8, 1, true},
		{same + "Who is the king?", 8, 2, false},
		{"Behold. " + same, 8, 3, false},
		{"A", 150, 4, false},
		{"Who is the king? " + same, 8, 5, false}, // which has nothing in common with a prompt of one token
	} {
		var log bytes.Buffer
		s, err := New(Options{Models: []string{otherPath}, CacheDir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		body, _ := json.Marshal(map[string]any{"prompt": tt.prompt, "seed": run, "max_tokens": tt.answer, "temperature": 2, "ignore_eos": true})
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/v1/completions", bytes.NewReader(body)))
		if err := s.Close(); err != nil || w.Code != http.StatusOK {
			t.Fatal(w.Body, err)
		}
		files, err := (&diskCache{dir: dir}).paths()
		if err != nil || len(files) != tt.files {
			t.Errorf("run %d: there are %d files, want %d, %v", run, len(files), tt.files, err)
		}
		if said := strings.Contains(log.String(), "a kept prompt was replaced"); said != tt.replaced {
			t.Errorf("run %d: a prompt is said to be replaced: %t, want %t: %s", run, said, tt.replaced, &log)
		}
	}
}

// A sequence that has no room in memory is written in the background. When there is no time to write, nothing is left half-written.
func TestKeptInBackground(t *testing.T) {
	prompt, _ := json.Marshal(strings.Repeat("Thou art a man of Israel, and I am the LORD. ", 12))
	body := `{"max_tokens": 1, "prompt": ` + string(prompt) + `}`
	for _, ended := range []bool{false, true} {
		dir := t.TempDir()
		c := start(t, Options{Models: []string{otherPath}, CacheDir: dir})
		get[completion](t, c, "/v1/completions", `{"max_tokens": 1, "prompt": "Hi"}`)
		sv := c.models.served[0]
		sv.cache.limit = 1 // no sequence has room
		ctx, cancel := context.WithCancel(t.Context())
		if ended {
			cancel()
			sv.cache.disk.cancel(ErrClosed)
		}
		get[completion](t, c, "/v1/completions", body)
		sv.cache.close(ctx)
		cancel()
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[bool]int{false: 1, true: 0}[ended]; len(entries) != want {
			t.Errorf("no time to write: %v: there are %d files, want %d", ended, len(entries), want)
		}
		if n := sv.model.Engine().KVBytes(); n != 0 {
			t.Errorf("sequences take %d bytes", n)
		}
	}
}

// A request that needs memory waits until a sequence that is to be kept is written.
func TestRelieveKeeps(t *testing.T) {
	dir := t.TempDir()
	c := start(t, Options{Models: []string{otherPath}, CacheDir: dir})
	prompt, _ := json.Marshal(strings.Repeat("Thou art a man of Israel, and I am the LORD. ", 12))
	get[completion](t, c, "/v1/completions", `{"max_tokens": 1, "prompt": `+string(prompt)+`}`)
	sv := c.models.served[0]
	if !sv.cache.relieve(t.Context()) || sv.model.Engine().KVBytes() != 0 || sv.cache.relieve(t.Context()) {
		t.Error("the memory is not given back")
	}
	if paths, err := sv.cache.disk.paths(); len(paths) != 1 || err != nil {
		t.Errorf("%q are kept, %v", paths, err)
	}
	// It waits no longer than its client does.
	ctx, goAway := context.WithCancel(t.Context())
	goAway()
	busy := cache{writes: make([]idleSequence, 1), written: make(chan struct{})} // is never done
	if busy.relieve(ctx) {
		t.Error("memory is given back to a request whose client went away")
	}
}

// The log says which files another prompt has replaced, and of no other that it has.
func TestReplacedPrompts(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	c := start(t, Options{Models: []string{otherPath}, CacheDir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	prompt, _ := json.Marshal(strings.Repeat("Thou art a man of Israel, and I am the LORD. ", 12))
	get[completion](t, c, "/v1/completions", `{"max_tokens": 1, "prompt": `+string(prompt)+`}`)
	sv := c.models.served[0]
	tokens, err := sv.model.Encode("Thou art a man of Israel")
	if err != nil {
		t.Fatal(err)
	}
	gone, stays := filepath.Join(dir, "gone.seq"), filepath.Join(dir, "stays.seq")
	for _, path := range []string{gone, filepath.Join(stays, "what keeps it from being removed")} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	d := sv.cache.disk
	d.mu.Lock()
	d.files = append(d.files, cachedFile{gone, tokens, len(tokens)}, cachedFile{stays, tokens, len(tokens)})
	d.mu.Unlock()
	if !sv.cache.relieve(t.Context()) {
		t.Fatal("nothing is written")
	}
	for path, want := range map[string]bool{gone: true, stays: false} {
		said := false
		for line := range strings.Lines(log.String()) {
			said = said || strings.Contains(line, "was replaced") && strings.Contains(line, filepath.Base(path))
		}
		if said != want {
			t.Errorf("%s is said to be replaced: %t\n%s", path, said, log.String())
		}
	}
}

// A prompt that is larger than all that may be kept is not kept, which the log says, and no other one goes for it.
func TestKeptTooLarge(t *testing.T) {
	prompt, _ := json.Marshal(strings.Repeat("Thou art a man of Israel, and I am the LORD. ", 12))
	dir := t.TempDir()
	other := filepath.Join(dir, "other"+diskCacheSuffix)
	if err := os.WriteFile(other, []byte("of another model"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s, err := New(Options{Models: []string{otherPath}, CacheDir: dir, CacheSize: 4 << 10, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	get[completion](t, newClient(t, s), "/v1/completions", `{"max_tokens": 1, "prompt": `+string(prompt)+`}`)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 || entries[0].Name() != filepath.Base(other) {
		t.Errorf("%v is kept, %v", entries, err)
	}
	if !strings.Contains(log.String(), "it is larger than all that may be kept") {
		t.Errorf("log: %s", &log)
	}
}

// A file tells how many of its tokens were the prompt. Where it does not, all of them count as such.
func TestKeptNote(t *testing.T) {
	m := openModel(t)
	q, err := m.NewSequence()
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for _, err := range q.Generate(t.Context(), []int32{5, 6, 7, 8}, runtime.Generate{MaxTokens: -1}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	all := q.Len()
	for note, want := range map[string]int{`{"prompt": 2}`: 2, `{"prompt": 0}`: all, `{"prompt": -1}`: all, `{"prompt": "2"}`: all, `{}`: all, ``: all} {
		dir := t.TempDir()
		if err := q.SaveContext(t.Context(), filepath.Join(dir, "a"+diskCacheSuffix), []byte(note)); err != nil {
			t.Fatal(err)
		}
		d, err := openDiskCache(m, dir, 1<<30, slog.Default())
		if err != nil || len(d.files) != 1 || d.files[0].prompt != want {
			t.Errorf("with the note %q: %+v, %v; want a prompt of %d tokens", note, d, err, want)
		}
	}
}
