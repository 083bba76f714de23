package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"st/runtime"
)

func TestNewRefuses(t *testing.T) {
	if _, err := New(Options{Models: []string{modelPath, modelPath}}); !errors.Is(err, ErrNames) {
		t.Errorf("two of a name: %v", err)
	}
	if _, err := New(Options{Models: []string{"none.stm"}}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// A model goes by its name, its file's and its path; where there is one, by none.
func TestModelNames(t *testing.T) {
	c := start(t, Options{})
	for _, name := range []string{"tiny", "tiny.stm", modelPath, "tiny:latest", ""} {
		if sv, err := c.models.find(name); err != nil || sv.Name != "tiny" {
			t.Errorf("%q: %v", name, err)
		}
	}
	two := start(t, Options{Models: []string{modelPath, otherPath}})
	for _, name := range []string{"", "ti", ":latest"} {
		if _, err := two.models.find(name); err == nil {
			t.Errorf("%q is found", name)
		}
	}
}

// However many ask for a model, it is loaded once.
func TestLoadedOnce(t *testing.T) {
	var loads atomic.Int32
	c := start(t, Options{Parallel: 8, Loaded: func(*runtime.Model) { loads.Add(1) }})
	if c.Models()[0].Loaded || loads.Load() != 0 {
		t.Error("it is loaded before anyone asks")
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			j, err := c.begin(t.Context(), "tiny", nil)
			if err != nil {
				t.Error(err)
				return
			}
			j.end()
		})
	}
	wg.Wait()
	if n := loads.Load(); n != 1 || !c.Models()[0].Loaded || c.Models()[0].Expires.IsZero() {
		t.Errorf("%d loads, %+v", n, c.Models()[0])
	}
}

// unloaded waits until a model is unloaded and its memory is free.
func (m *models) unloaded(sv *served) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waitWhile(context.Background(), func() bool { return sv.model != nil || sv.leaving })
}

// An idle model is unloaded after the time that its last request names, or else the server's.
func TestKeepAlive(t *testing.T) {
	c := start(t, Options{KeepAlive: time.Millisecond})
	sv := c.models.served[0]
	for _, keepAlive := range []*time.Duration{nil, new(time.Duration(0)), new(time.Millisecond)} {
		j, err := c.begin(t.Context(), "tiny", keepAlive)
		if err != nil {
			t.Fatal(err)
		}
		if j.loadTime == 0 {
			t.Error("it was not loaded for the request")
		}
		j.end()
		c.models.unloaded(sv)
	}
	j, err := c.begin(t.Context(), "tiny", new(time.Duration(-1)))
	if err != nil {
		t.Fatal(err)
	}
	j.end()
	if i := c.Models()[0]; !i.Loaded || !i.Expires.IsZero() || sv.timer != nil {
		t.Errorf("it is to stay: %+v", i)
	}
}

// The request with which a model leaves does not wait for that: it gives its place back and is answered.
func TestEndDoesNotWait(t *testing.T) {
	c := start(t, Options{Parallel: 1})
	sv := c.models.served[0]
	j, err := c.begin(t.Context(), "tiny", new(time.Duration(0)))
	if err != nil {
		t.Fatal(err)
	}
	cache := j.cache
	cache.mu.Lock() // which holds the model in memory: it is unloaded once its cache is closed
	defer c.models.unloaded(sv)
	defer cache.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		j.end()
		close(ended)
	}()
	c.models.mu.Lock()
	c.models.waitWhile(t.Context(), func() bool { return !sv.leaving })
	c.models.mu.Unlock()
	if !c.places.TryAcquire(1) {
		t.Fatal("its place is not free while the model leaves")
	}
	c.places.Release(1)
	<-ended
}

// While the prompts of a model that leaves are written to disk, other models answer, and a request for the model waits for its memory.
func TestUnloadBesideOthers(t *testing.T) {
	var c *client
	c = start(t, Options{Models: []string{modelPath, otherPath}, CacheDir: t.TempDir(), KeepAlive: -1, Loaded: func(*runtime.Model) {
		c.models.mu.Lock()
		defer c.models.mu.Unlock()
		if c.models.loading.leaving {
			t.Error("a model is loaded that has not left yet")
		}
	}})
	hold := func(name string) *job {
		j, err := c.begin(t.Context(), name, nil)
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	j := hold("tiny")
	for _, err := range j.generate(t.Context(), make([]int32, diskCacheLeast), runtime.Generate{MaxTokens: 1}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	sv, files := j.served, j.cache.disk
	files.mu.Lock() // the disk is slow
	j.keepAlive = 0
	left := make(chan struct{})
	go func() { j.end(); close(left) }()
	c.models.mu.Lock()
	for !sv.leaving {
		changed := c.models.changed
		c.models.mu.Unlock()
		<-changed
		c.models.mu.Lock()
	}
	grant := granted(c.models.sharers(nil))
	c.models.mu.Unlock()
	if grant == 0 {
		t.Error("the memory of a model that leaves counts as free")
	}
	if c.Models()[0].Loaded {
		t.Error("a model that leaves is listed as loaded")
	}
	hold("other").end()
	var again sync.WaitGroup
	again.Go(func() {
		j, err := c.begin(t.Context(), "tiny", nil)
		if err != nil {
			t.Error(err)
			return
		}
		j.end()
	})
	files.mu.Unlock()
	<-left
	again.Wait()
}

// Models that do not fit in the memory together, even with as little as they need, take turns: each request is answered, and never are two of them loaded.
func TestModelsTakeTurns(t *testing.T) {
	var c *client
	c = start(t, Options{Models: []string{modelPath, otherPath}, Parallel: 2, Loaded: func(*runtime.Model) {
		for _, m := range c.Models() {
			if m.Loaded {
				t.Errorf("%s is loaded beside another one", m.Name)
			}
		}
	}})
	c.models.setTotal(c.models.common() + c.models.served[0].Smallest + c.models.served[1].Smallest - 1<<20)
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			r, err := c.send(t.Context(), "/v1/completions", fmt.Sprintf(`{"model": %q, "prompt": "x", "max_tokens": 3, "ignore_eos": true}`, []string{"tiny", "other"}[i%2]))
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Body.Close()
			var a completion
			if err := json.NewDecoder(r.Body).Decode(&a); err != nil || a.Usage == nil || a.Usage.CompletionTokens != 3 {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
	wg.Wait()
	// With room for both, both stay.
	both := start(t, Options{Models: []string{modelPath, otherPath}})
	both.models.setTotal(1 << 40)
	for _, name := range []string{"tiny", "other"} {
		get[completion](t, both, "/v1/completions", fmt.Sprintf(`{"model": %q, "prompt": "x", "max_tokens": 1}`, name))
	}
	for _, m := range both.Models() {
		if !m.Loaded {
			t.Errorf("%s was unloaded", m.Name)
		}
	}
}

// A file that is gone is an error of its requests, not of the server.
func TestLoadFails(t *testing.T) {
	c := start(t, Options{})
	c.models.served[0].Path += ".gone"
	for range 2 {
		if status, e := getError(t, c, "/v1/completions", `{"prompt": "x"}`); status != 404 || !strings.Contains(e.Error.Message, `the model "tiny" was removed`) {
			t.Errorf("%d, %+v", status, e)
		}
	}
	c.models.served[0].Path = modelPath
	get[completion](t, c, "/v1/completions", `{"prompt": "x", "max_tokens": 1}`)
}

// What a model had on Go's heap, such as its tokenizer, is no garbage when it has been unloaded: the next one counts on that memory.
func TestUnloadedLeavesNoGarbage(t *testing.T) {
	c := start(t, Options{KeepAlive: -1})
	j, err := c.begin(t.Context(), "tiny", new(time.Duration(0)))
	if err != nil {
		t.Fatal(err)
	}
	sv, tokenizer := j.served, weak.Make(j.model.Tokenizer())
	j.end()
	c.models.unloaded(sv)
	if sv.model != nil || tokenizer.Value() != nil {
		t.Error("the tokenizer is still in memory")
	}
}
