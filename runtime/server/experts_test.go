package server

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"st/convert"
	"st/convert/modeltest"
	"st/quant"
)

// watcher reads the events of /api/experts/events.
type watcher struct {
	t     *testing.T
	lines *bufio.Scanner
	end   context.CancelFunc
}

func watchExperts(t *testing.T, c *client, query string) *watcher {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	r, err := c.send(ctx, "/api/experts/events"+query, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(); r.Body.Close() })
	if got := r.Header.Get("Content-Type"); r.StatusCode != http.StatusOK || got != "text/event-stream" {
		t.Fatalf("status %d, %s", r.StatusCode, got)
	}
	w := &watcher{t, bufio.NewScanner(r.Body), end}
	w.lines.Buffer(nil, 1<<20)
	return w
}

// next returns the next event of a name; others are skipped.
func next[T any](w *watcher, name string) (v T) {
	w.t.Helper()
	event := ""
	for w.lines.Scan() {
		line := w.lines.Text()
		if e, ok := strings.CutPrefix(line, "event: "); ok {
			event = e
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok && event == name {
			if err := json.Unmarshal([]byte(data), &v); err != nil {
				w.t.Fatal(err)
			}
			return v
		}
	}
	w.t.Fatalf("there is no event %q: %v", name, w.lines.Err())
	return v
}

// The counts of all events together are those of the engine, and each token chose as many experts in each layer as the model says.
func TestExpertsEvents(t *testing.T) {
	c := start(t, Options{KeepAlive: -1})
	w := watchExperts(t, c, "")
	if m := next[expertsModel](w, "model"); m.Loaded || m.Model != "tiny" || len(m.Layers) != 6 || m.Experts != 16 || m.TopK != 4 {
		t.Fatalf("before it is loaded: %+v", m)
	}
	get[chatCompletion](t, c, "/v1/chat/completions", `{"messages": [{"role": "user", "content": "Who goes there?"}], "max_tokens": 30, "seed": 1}`)
	if m := next[expertsModel](w, "model"); !m.Loaded || m.Context != 1024 {
		t.Fatalf("after it was loaded: %+v", m)
	}
	engine := c.models.served[0].model.Engine()
	want := engine.Usage()
	// It was loaded while somebody watched, so that nothing is missed.
	for seen := int64(0); seen < want.Tokens; {
		seen += next[expertsWork](w, "work").Tokens
	}
	w.end()

	// Another one hears of what comes, not of what was.
	w = watchExperts(t, c, "?model=tiny")
	next[expertsModel](w, "model")
	if m := next[expertsMemory](w, "memory"); m.Mapped == 0 || m.Process == 0 || m.Working == 0 {
		t.Errorf("memory: %+v", m)
	}
	get[chatCompletion](t, c, "/v1/chat/completions", `{"messages": [{"role": "user", "content": "Speak"}], "max_tokens": 20, "seed": 1}`)
	total := engine.Usage()
	tokens := total.Tokens - want.Tokens
	counts := make([]int64, len(total.Uses))
	for seen := int64(0); seen < tokens; {
		work := next[expertsWork](w, "work")
		seen += work.Tokens
		if len(work.Chosen) != len(work.Counts) {
			t.Fatalf("%d experts, %d counts", len(work.Chosen), len(work.Counts))
		}
		for i, x := range work.Chosen {
			counts[x] += work.Counts[i]
		}
		if work.Tokens > 0 && work.Uses == 0 {
			t.Errorf("tokens without uses: %+v", work)
		}
	}
	for x := range counts {
		if got, want := counts[x], total.Uses[x]-want.Uses[x]; got != want {
			t.Errorf("expert %d: %d tokens, the engine counts %d", x, got, want)
		}
	}
	for l := range 6 {
		var sum int64
		for _, n := range counts[l*16:][:16] {
			sum += n
		}
		if sum != 4*tokens {
			t.Errorf("layer %d: %d choices of %d tokens", l, sum, tokens)
		}
	}
}

// Watching does not change what is computed.
func TestExpertsEventsBits(t *testing.T) {
	c := start(t, Options{})
	body := `{"messages": [{"role": "user", "content": "Speak"}], "max_tokens": 40, "seed": 7, "cache_prompt": false}`
	alone := get[chatCompletion](t, c, "/v1/chat/completions", body)
	w := watchExperts(t, c, "")
	next[expertsModel](w, "model")
	watched := get[chatCompletion](t, c, "/v1/chat/completions", body)
	if *alone.Choices[0].Message.Content != *watched.Choices[0].Message.Content {
		t.Errorf("%q, watched %q", *alone.Choices[0].Message.Content, *watched.Choices[0].Message.Content)
	}
}

// Within a budget experts come and go: what has arrived and not departed is what the engine has in memory.
func TestExpertsEventsResidents(t *testing.T) {
	c := start(t, Options{Models: []string{otherPath}, Memory: 1 << 40, Parallel: 1, Context: 256, KeepAlive: -1})
	c.models.setTotal(c.models.common() + c.models.served[0].Smallest + 4<<20)
	w := watchExperts(t, c, "")
	get[chatCompletion](t, c, "/v1/chat/completions", `{"messages": [{"role": "user", "content": "Speak"}], "max_tokens": 40, "seed": 1, "ignore_eos": true}`)
	m := c.models.served[0].model
	if m.Memory().Budget == 0 {
		t.Fatal("there is no budget")
	}
	in := map[int]bool{}
	for {
		work := next[expertsWork](w, "work")
		for _, x := range work.Departed {
			delete(in, x)
		}
		for _, x := range work.Arrived {
			in[x] = true
		}
		now, same := m.Engine().Residents(nil), true
		for x := range now {
			same = same && now[x] == in[x]
		}
		if same { // nothing is read any more: it comes to that
			if len(in) == 0 || len(in) == len(now) {
				t.Errorf("%d of %d experts are in memory", len(in), len(now))
			}
			return
		}
	}
}

// A model that is unloaded while somebody watches, and one that is loaded again.
func TestExpertsEventsUnload(t *testing.T) {
	c := start(t, Options{KeepAlive: time.Nanosecond})
	w := watchExperts(t, c, "")
	for range 2 {
		if m := next[expertsModel](w, "model"); m.Loaded {
			t.Fatal("it is loaded")
		}
		// The model is held loaded until the watcher has seen it.
		j, err := c.begin(t.Context(), "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if m := next[expertsModel](w, "model"); !m.Loaded {
			t.Fatal("it is not loaded")
		}
		j.end()
	}
}

func TestExpertsEventsDense(t *testing.T) {
	checkpoint, path := t.TempDir(), filepath.Join(t.TempDir(), "dense.stm")
	shape := modeltest.Shape{Arch: "qwen3", Layers: 2, Hidden: 64, Heads: 4, KVHeads: 2, HeadDim: 32, DenseFFN: 96, Vocab: 50, Context: 64}
	err := modeltest.New(shape, 1).Write(checkpoint)
	if err == nil {
		_, err = convert.Run(t.Context(), checkpoint, path, convert.Options{Recipe: convert.Recipe{Type: quant.Q8_0}})
	}
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, Options{Models: []string{path}})
	w := watchExperts(t, c, "")
	if m := next[expertsModel](w, "model"); m.Layers == nil || len(m.Layers) != 0 || m.Experts != 0 {
		t.Errorf("%+v", m)
	}
	j, err := c.begin(t.Context(), "", nil) // it has no tokenizer: tokens are run as they are
	if err != nil {
		t.Fatal(err)
	}
	defer j.end()
	next[expertsModel](w, "model")
	session, err := j.model.Engine().NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if _, err := session.Forward(t.Context(), []int32{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	if work := next[expertsWork](w, "work"); work.Tokens != 3 || len(work.Chosen) != 0 {
		t.Errorf("%+v", work)
	}
}

func TestExpertsEventsErrors(t *testing.T) {
	c := start(t, Options{APIKey: "secret"})
	if r := c.request(t, "/api/experts/events", ""); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a key: status %d", r.StatusCode)
	}
	if r := c.request(t, "/api/experts/events?model=none", "", "x-api-key", "secret"); r.StatusCode != http.StatusNotFound {
		t.Errorf("of a model that is not served: status %d", r.StatusCode)
	}
	c.watchers.Store(maxWatchers)
	if r := c.request(t, "/api/experts/events", "", "x-api-key", "secret"); r.StatusCode != http.StatusTooManyRequests || r.Header.Get("Retry-After") == "" {
		t.Errorf("too many: status %d", r.StatusCode)
	}
	if n := c.watchers.Load(); n != maxWatchers {
		t.Errorf("%d watchers are counted", n)
	}
}

// Those who watch do not hold up a server that ends.
func TestExpertsEventsShutdown(t *testing.T) {
	c := start(t, Options{})
	w := watchExperts(t, c, "")
	next[expertsModel](w, "model")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for w.lines.Scan() {
	}
	if err := w.lines.Err(); err != nil {
		t.Errorf("the stream ends with %v", err)
	}
}

// A model that is removed ends its events.
func TestExpertsEventsRemoved(t *testing.T) {
	kept := newStore(t)
	keep(t, kept, "org/model:q4_0")
	c := start(t, Options{Models: []string{}, Store: kept})
	w := watchExperts(t, c, "?model=org/model:q4_0")
	next[expertsModel](w, "model")
	if status, message := c.do(t, http.MethodDelete, "/api/delete", `{"model": "org/model:q4_0"}`); status != http.StatusOK {
		t.Fatal(status, message)
	}
	for w.lines.Scan() {
	}
	if err := w.lines.Err(); err != nil {
		t.Error(err)
	}
}

// The page needs no key: it asks for it.
func TestPageNeedsNoKey(t *testing.T) {
	c := start(t, Options{APIKey: "secret"})
	for _, path := range []string{"/", "/page/js/main.js"} {
		if r := c.request(t, path, "", "Accept", "text/html"); r.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", path, r.StatusCode)
		}
	}
	if r := c.request(t, "/v1/models", ""); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("models: status %d", r.StatusCode)
	}
}
