package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"st/convert/hub"
	"st/convert/hub/hubtest"
	"st/convert/pull"
	"st/format/outfile"
)

// useTinyHub makes a Hub that has the small model, as Org/Tiny, that of the environment until the test ends.
func useTinyHub(t *testing.T) {
	t.Helper()
	h := hubtest.New()
	t.Cleanup(h.Close)
	files, err := hubtest.Directory(checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	h.Add("Org/Tiny").Commit(files)
	t.Setenv("HF_ENDPOINT", h.URL)
	t.Setenv("HF_HOME", t.TempDir())
	t.Setenv("HF_TOKEN", "")
}

// st run pulls a model that is not there, and then answers.
func TestRunPulls(t *testing.T) {
	useTinyHub(t)
	dir := useStore(t)
	want := must(t, "run", tiny(t), "Hi", "-n", "4", "--seed", "1")
	o := st("run", "Org/Tiny", "Hi", "-n", "4", "--seed", "1")
	if o.code != exitOK || o.stdout != want || !strings.Contains(o.stderr, `there is no model "Org/Tiny"`) || !strings.Contains(o.stderr, "pulling it") {
		t.Errorf("%+v, want %q", o, want)
	}
	// The second time it is there, also by a short name and for other commands.
	t.Setenv("HF_ENDPOINT", "http://127.0.0.1:0")
	for _, args := range []string{"run tiny Hi", "run hf://Org/Tiny Hi", "run hf.co/Org/Tiny Hi", "run Org/Tiny@main Hi", "run https://huggingface.co/Org/Tiny/ Hi",
		"run https://huggingface.co/Org/Tiny/tree/main Hi", "generate tiny --chat -p Hi"} {
		if o := st(append(strings.Fields(args), "-n", "4", "--seed", "1", "-q")...); o.code != exitOK || o.stdout != want || o.stderr != "" {
			t.Errorf("%s: %+v, want %q", args, o, want)
		}
	}
	if o := st("run", "Org/Tiny@v7", "Hi", "-n", "1"); o.code != exitOK || !strings.Contains(o.stderr, "Org/Tiny is kept, made of commit") || !strings.Contains(o.stderr, "v7") {
		t.Errorf("another revision: %+v", o)
	}
	if names := list(t, filepath.Join(dir, "Org")); len(names) != 1 || names[0] != "Tiny.stm" {
		t.Errorf("the store has %v", names)
	}
}

func TestRunPullsFails(t *testing.T) {
	useTinyHub(t)
	dir := useStore(t)
	for _, tt := range []struct{ name, want string }{
		{"Org/Nothing", "there is no such repository"},
		{"nothing", "st pull ORG/NAME fetches one"}, // what has no organisation is not looked for elsewhere
		{"Org/a/b", "is not a name"},
	} {
		if o := st("run", tt.name, "Hi"); o.code != exitFailure || o.stdout != "" || !strings.Contains(o.stderr, tt.want) {
			t.Errorf("%s: %+v, want %q", tt.name, o, tt.want)
		}
	}
	// Other commands do not pull.
	if o := st("generate", "Org/Tiny", "-p", "x"); o.code != exitFailure || !strings.Contains(o.stderr, "st pull ORG/NAME fetches one") {
		t.Errorf("%+v", o)
	}
	if _, err := os.Stat(filepath.Join(dir, "Org", "Tiny.stm")); err == nil {
		t.Error("it was pulled")
	}
}

// Clients of Ollama pull models into the store that is served.
func TestServePulls(t *testing.T) {
	useTinyHub(t)
	useStore(t)
	url, _, stop := startServer(t)
	defer stop()
	post := func(path, body string) (int, string) {
		t.Helper()
		r, err := http.Post(url+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		var b strings.Builder
		if _, err := io.Copy(&b, r.Body); err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, b.String()
	}
	complete := regexp.MustCompile(`"total":(\d+),"completed":(\d+)`)
	status, text := post("/api/pull", `{"model": "hf.co/Org/Tiny:latest"}`)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if status != http.StatusOK || len(lines) < 5 || lines[0] != `{"status":"pulling manifest"}` || !strings.Contains(lines[len(lines)-4], `"digest":"sha256:`) ||
		lines[len(lines)-1] != `{"status":"success"}` {
		t.Errorf("%d: %s", status, text)
	}
	if n := complete.FindStringSubmatch(lines[len(lines)-4]); n == nil || n[1] != n[2] {
		t.Errorf("the last line before the end is %s", lines[len(lines)-4])
	}
	if status, text := post("/api/pull", `{"model": "org/tiny", "stream": false}`); status != http.StatusOK || text != `{"status":"success"}`+"\n" {
		t.Errorf("%d: %s", status, text)
	}
	if status, text := post("/api/pull", `{"model": "Org/Nothing", "stream": false}`); status != http.StatusNotFound || !strings.Contains(text, "pull model manifest: ") {
		t.Errorf("%d: %s", status, text)
	}
	for _, name := range []string{"Org/Tiny@main", "hf://Org/Tiny", "https://huggingface.co/Org/Tiny/tree/main"} {
		if status, text := post("/api/pull", `{"model": "`+name+`", "stream": false}`); status != http.StatusOK {
			t.Errorf("%s: %d: %s", name, status, text)
		}
	}
	for _, name := range []string{"ms://Org/con", "https://example.com/Org/Tiny", "Org/Tiny@a..b"} {
		if status, text := post("/api/pull", `{"model": "`+name+`", "stream": false}`); status != http.StatusBadRequest {
			t.Errorf("%s: %d: %s", name, status, text)
		}
	}
	if status, text := post("/api/pull", `{"model": "tiny3", "stream": false}`); status != http.StatusBadRequest || !strings.Contains(text, "ORG/NAME") {
		t.Errorf("%d: %s", status, text)
	}
	if status, text := post("/api/generate", `{"model": "tiny", "prompt": "x", "stream": false, "options": {"num_predict": 1}}`); status != http.StatusOK {
		t.Errorf("%d: %s", status, text)
	}
}

// beginPull pulls Org/Tiny of the small Hub into the store, is interrupted before the end, and returns where the model would have come.
func beginPull(t *testing.T, store string) (out string) {
	t.Helper()
	out = filepath.Join(store, "Org", "Tiny.stm")
	if err := os.MkdirAll(filepath.Dir(out), 0o777); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := (&app{quiet: true}).fetch(ctx, hub.Ref{Org: "Org", Name: "Tiny"}, out, func(p pull.Progress) {
		if p.Stage == pull.Finishing { // all of it came
			cancel()
		}
	}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return out
}

// What is kept of a pull is told of whichever command began it, but not of a pull that another process is at.
func TestPullNotes(t *testing.T) {
	useTinyHub(t)
	out := beginPull(t, useStore(t))
	note := "note: what was done is kept in " + out + ".part: the same command goes on from there\n"
	commands := [][]string{{"pull", "Org/Tiny"}, {"run", "Org/Tiny", "Hi"}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range commands {
		var stdout, stderr bytes.Buffer
		code := runContext(ctx, args, strings.NewReader(""), &stdout, &stderr)
		if got := stderr.String(); code != exitInterrupted || !strings.HasSuffix(got, note+"st: interrupted\n") {
			t.Errorf("st %s, interrupted: %d, %s", strings.Join(args, " "), code, got)
		}
	}
	other, err := outfile.Continue(out, outfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for _, args := range commands {
		if o := st(args...); o.code != exitFailure || strings.Contains(o.stderr, "is kept") || !strings.Contains(o.stderr, "is being written by another process: wait for the other one") {
			t.Errorf("st %s, while another process pulls it: %+v", strings.Join(args, " "), o)
		}
	}
}

// A pull that was interrupted is listed, and goes on when the model is run, also by a short name.
func TestRunGoesOn(t *testing.T) {
	useTinyHub(t)
	beginPull(t, useStore(t))
	l := mustJSON[listReport](t, "list", "--json")
	if len(l.Models) != 1 || !l.Models[0].Partial || l.Models[0].Done == 0 || l.Models[0].Done > l.Models[0].Total {
		t.Errorf("%+v", l)
	}
	if got := must(t, "list"); !strings.Contains(got, "pulled ") {
		t.Error(got)
	}
	want := must(t, "run", tiny(t), "Hi", "-n", "4", "--seed", "1")
	if o := st("run", "tiny", "Hi", "-n", "4", "--seed", "1"); o.code != exitOK || o.stdout != want || !strings.Contains(o.stderr, "going on with it") {
		t.Errorf("%+v, want %q", o, want)
	}
}
