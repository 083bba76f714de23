package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"st/runtime"
	"st/runtime/lru"
)

// What comes when all places and the queue are taken is refused, and told when to try again.
func TestQueueFull(t *testing.T) {
	c := start(t, Options{Parallel: 2, Queue: 1})
	for range 3 {
		if err := c.queue.enter(); err != nil {
			t.Fatal(err)
		}
	}
	r := c.request(t, "/v1/completions", `{"prompt": "x"}`)
	if r.StatusCode != http.StatusTooManyRequests || r.Header.Get("Retry-After") != "1" {
		t.Errorf("status %d, Retry-After %q", r.StatusCode, r.Header.Get("Retry-After"))
	}
	c.queue.leave()
	get[completion](t, c, "/v1/completions", `{"prompt": "x", "max_tokens": 1}`)
}

// A request that waits for its place leaves the queue when its client goes away.
func TestWaitingClientGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Options{Models: []string{modelPath}, Parallel: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.places.Acquire(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := sendAsync(ctx, s, `{"prompt": "x"}`)
		synctest.Wait()
		if s.queue.n != 1 || s.waiting.Load() != 1 {
			t.Errorf("%d requests are in the queue, of which %d wait", s.queue.n, s.waiting.Load())
		}
		cancel()
		synctest.Wait()
		if w := <-ended; s.queue.n != 0 || s.waiting.Load() != 0 || w.Code != statusClosed {
			t.Errorf("%d requests are left in the queue, status %d", s.queue.n, w.Code)
		}
	})
}

// sendAsync sends a text completion, and returns where the answer comes.
func sendAsync(ctx context.Context, s *Server, body string) <-chan *httptest.ResponseRecorder {
	ended := make(chan *httptest.ResponseRecorder, 1)
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/v1/completions", strings.NewReader(body))
	go func() {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		ended <- w
	}()
	return ended
}

// One schema is read at a time, by requests that are in the queue. One that waits for that leaves the queue when its client goes away.
func TestSchemasInQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Options{Models: []string{modelPath}, Parallel: 1, Queue: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		release := make(chan struct{})
		go func() { // a schema that takes long
			_, _ = s.formats.Get(context.Background(), lru.Key{}, func() (answerFormat, error) { <-release; return answerFormat{}, nil })
		}()
		synctest.Wait()
		const body = `{"prompt": "x", "max_tokens": 1, "json_schema": {"type": "integer"}}`
		ctx, cancel := context.WithCancel(t.Context())
		first, second := sendAsync(ctx, s, body), sendAsync(t.Context(), s, body)
		synctest.Wait()
		if w := <-sendAsync(t.Context(), s, body); w.Code != http.StatusTooManyRequests {
			t.Errorf("a third request has status %d", w.Code)
		}
		cancel()
		if w := <-first; w.Code != statusClosed || s.queue.active() != 1 {
			t.Errorf("status %d, and %d requests are in the queue", w.Code, s.queue.active())
		}
		close(release)
		if w := <-second; w.Code != http.StatusOK || s.queue.active() != 0 {
			t.Errorf("status %d, and %d requests are in the queue: %s", w.Code, s.queue.active(), w.Body)
		}
	})
}

// goneWriter is a client that goes away after some events.
type goneWriter struct {
	*httptest.ResponseRecorder
	left   int
	cancel func()
}

func (w *goneWriter) Write(p []byte) (int, error) {
	if w.left--; w.left == 0 {
		w.cancel()
	}
	return w.ResponseRecorder.Write(p)
}

// A client that goes away frees its place within a token: nothing more is generated.
func TestClientGone(t *testing.T) {
	c := start(t, Options{Parallel: 1})
	ctx, cancel := context.WithCancel(t.Context())
	w := &goneWriter{httptest.NewRecorder(), 5, cancel}
	c.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/v1/completions", strings.NewReader(endless)))
	events := strings.Split(strings.TrimSpace(w.Body.String()), "\n\n")
	if n := len(events); n > 5+2 || !strings.Contains(events[n-2], `"code":"cancelled"`) {
		t.Errorf("after 5 events there are: %q", events[5:])
	}
	if !c.places.TryAcquire(1) || c.queue.n != 0 || c.models.served[0].users != 0 {
		t.Error("the place is not free")
	}
}

// A client that closes its connection is noticed while tokens come.
func TestConnectionClosed(t *testing.T) {
	var log bytes.Buffer
	c := start(t, Options{Parallel: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	ctx, cancel := context.WithCancel(t.Context())
	r, err := c.send(ctx, "/v1/completions", `{"n": 128, `+endless[1:])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	cancel()
	r.Body.Close()
	c.http.Close() // which waits for the handler
	_, line, logged := strings.Cut(log.String(), " msg=request ")
	if !logged {
		t.Fatalf("the log does not tell of the request:\n%s", &log)
	}
	texts := 1 // at most: the log tells of more
	if _, after, ok := strings.Cut(line, " texts="); ok {
		if _, err := fmt.Sscan(after, &texts); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
	}
	if texts > 100 {
		t.Errorf("%d texts came to their end:\n%s", texts, &log)
	}
	if c.queue.n != 0 {
		t.Errorf("%d requests are left in the queue", c.queue.n)
	}
}

// A conversation that goes on runs only what is new, and answers as one that begins anew: with weights in F32, where how a prompt is cut makes no
// difference to speak of.
func TestPrefixReuse(t *testing.T) {
	c, fresh := start(t, Options{Models: []string{otherPath}}), start(t, Options{Models: []string{otherPath}})
	ask := func(c *client, messages []map[string]string) chatCompletion {
		body, _ := json.Marshal(map[string]any{"messages": messages, "temperature": 0, "max_tokens": 15, "cache_prompt": c != fresh})
		return get[chatCompletion](t, c, "/v1/chat/completions", string(body))
	}
	said := []map[string]string{{"role": "user", "content": "Who goes there?"}}
	before := 0
	for turn := range 3 {
		got := ask(c, said)
		if turn > 0 && got.Usage.Details.CachedTokens < before {
			t.Errorf("turn %d: %d tokens are cached; the turn before had %d", turn, got.Usage.Details.CachedTokens, before)
		}
		if turn == 0 && got.Usage.Details.CachedTokens != 0 {
			t.Errorf("the first turn has %d cached tokens", got.Usage.Details.CachedTokens)
		}
		// The server beside it is asked about something else in between, which takes nothing from the conversation.
		ask(c, []map[string]string{{"role": "system", "content": "Speak as a king."}, {"role": "user", "content": fmt.Sprint("Number ", turn)}})
		if want := ask(fresh, said); chatText(want) != chatText(got) || want.Usage.Details.CachedTokens != 0 {
			t.Errorf("turn %d: %q, want %q with nothing cached: %+v", turn, chatText(got), chatText(want), want.Usage)
		}
		before = got.Usage.PromptTokens
		said = append(said, map[string]string{"role": "assistant", "content": chatText(got)}, map[string]string{"role": "user", "content": "Go on."})
	}
	short := []map[string]string{{"role": "user", "content": "Hi"}} // within the sliding window
	for i := range 2 {
		if u := ask(c, short).Usage; i == 1 && u.Details.CachedTokens != u.PromptTokens-1 {
			t.Errorf("a turn that is asked again: %+v", u)
		}
	}
}

// Many clients at once get what each gets alone.
func TestManyClients(t *testing.T) {
	c, alone := start(t, Options{Parallel: 4}), start(t, Options{Parallel: 1})
	prompts := []string{"The LORD", "To be", "KING RICHARD", "My fellow citizens", "In the beginning", "And it came to pass", "O Romeo", "The people of"}
	body := func(p string) string { return fmt.Sprintf(`{"prompt": %q, "max_tokens": 40, "seed": 3}`, p) }
	var want []string
	for _, p := range prompts {
		want = append(want, get[completion](t, alone, "/v1/completions", body(p)).Choices[0].Text)
	}
	var wg sync.WaitGroup
	for i := range 4 * len(prompts) {
		wg.Go(func() {
			p := i % len(prompts)
			r, err := c.send(t.Context(), "/v1/completions", body(prompts[p]))
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Body.Close()
			var got completion
			if err := json.NewDecoder(r.Body).Decode(&got); err != nil || got.Choices[0].Text != want[p] {
				t.Errorf("%q: %+v, %v; want %q", prompts[p], got, err, want[p])
			}
		})
	}
	wg.Wait()
}

// The sequence that shares the most is taken, unless another conversation would lose more by that than it saves.
func TestCache(t *testing.T) {
	m := openModel(t)
	c := &cache{limit: 1 << 30}
	defer c.close(t.Context())
	ran := func(prompt int, tokens ...int32) *runtime.Sequence {
		q, err := m.NewSequence()
		if err != nil {
			t.Fatal(err)
		}
		for p, err := range q.Generate(t.Context(), tokens, runtime.Generate{MaxTokens: -1}) {
			if err != nil || p.Done == nil {
				t.Fatal(p, err)
			}
		}
		c.put(q, prompt)
		return q
	}
	count := func(from, to int32) (ids []int32) {
		for id := from; id < to; id++ {
			ids = append(ids, id)
		}
		return ids
	}
	long, short, answered := ran(20, count(100, 120)...), ran(5, count(100, 105)...), ran(4, count(200, 230)...)
	for _, tt := range []struct {
		name   string
		prompt []int32
		want   *runtime.Sequence
	}{
		{"nothing is shared", count(300, 310), nil},
		{"too little of the long one is, and all of the short one", slices.Concat(count(100, 105), count(300, 310)), short},
		{"most of the long one", slices.Concat(count(100, 115), count(300, 310)), long},
		{"it continues the long one", slices.Concat(count(100, 120), count(300, 310)), long},
		{"it repeats a prompt that was answered at length", count(200, 204), answered},
		{"it goes on after that prompt otherwise", slices.Concat(count(200, 204), count(300, 310)), answered},
		{"less than that prompt is shared", slices.Concat(count(200, 202), count(300, 310)), nil},
	} {
		got := c.take(t.Context(), tt.prompt)
		if got != tt.want {
			t.Errorf("%s: another one is taken", tt.name)
		}
		if got != nil {
			c.put(got, map[*runtime.Sequence]int{long: 20, short: 5, answered: 4}[got])
		}
	}
	// Those used last stay: answered, then long.
	c.limit = c.bytes() * 2 / 3
	last := ran(3, 1, 2, 3)
	if len(c.idle) != 2 || c.idle[1].Sequence != last || c.idle[0].Sequence != answered {
		t.Errorf("%d sequences are left", len(c.idle))
	}
	if c.bytes() == 0 || !c.relieve(t.Context()) || !c.relieve(t.Context()) || c.relieve(t.Context()) || c.bytes() != 0 || m.Engine().KVBytes() != 0 {
		t.Errorf("%d bytes are left", m.Engine().KVBytes())
	}
}

// Idle sequences give way to those that run: all requests are answered within a budget that has no room for all sequences.
func TestMemory(t *testing.T) {
	c := start(t, Options{Parallel: 2})
	sv := c.models.served[0]
	ask := func(token int32) int {
		body, _ := json.Marshal(map[string]any{"prompt": slices.Repeat([]int32{token}, 300), "max_tokens": 2, "ignore_eos": true})
		return c.request(t, "/v1/completions", string(body)).StatusCode
	}
	// Little more than the model needs: what the process takes besides it is known when it is loaded.
	c.models.opts.Memory = 1
	for total := c.models.common() + sv.Smallest; ; total += 512 << 10 {
		c.models.setTotal(total)
		if ask(99) != http.StatusServiceUnavailable {
			break
		}
	}
	e := sv.model.Engine()
	b, one := e.Budget(), e.KVBytes()
	fixed := b.Other + b.Dense + b.Working + b.Reserve + b.SmallestExperts
	sv.cache.limit = 1 << 40 // the cache gives nothing up by itself
	room := int((b.Total - fixed) / one)
	for i := range room + 3 {
		if status := ask(int32(100 + i)); status != http.StatusOK {
			t.Errorf("request %d: status %d", i, status)
		}
		if n := e.KVBytes(); fixed+n > b.Total {
			t.Errorf("%+v, and KV caches of %d bytes", b, n)
		}
	}
	if n := len(sv.cache.idle); n == 0 || n > room {
		t.Errorf("%d sequences are cached, and there is room for %d", n, room)
	}
}

// Choices run at the same time where there are places, and are what they are one after the other; a stream tells them apart.
func TestChoices(t *testing.T) {
	for name, opts := range map[string]Options{"q4_0": {}, "f32": {Models: []string{otherPath}}} {
		alone, beside := opts, opts
		alone.Parallel, beside.Parallel = 1, 4
		inOrder, c := start(t, alone), start(t, beside)
		for _, prompt := range []string{"The LORD", strings.Repeat("And it came to pass, ", 40)} { // the second is longer than the window
			body := func(more string) string {
				return fmt.Sprintf(`{"prompt": %q, "max_tokens": 20, "seed": 7, "n": 5, "ignore_eos": true%s}`, prompt, more)
			}
			want := get[completion](t, inOrder, "/v1/completions", body(""))
			got := get[completion](t, c, "/v1/completions", body(""))
			if got.Usage.PromptTokens != want.Usage.PromptTokens || got.Usage.CompletionTokens != 100 {
				t.Errorf("%s: %+v, want %+v", name, got.Usage, want.Usage)
			}
			if n := len(c.models.served[0].cache.idle); prompt == "The LORD" && n != 1 {
				t.Errorf("%s: %d sequences are cached, want one", name, n)
			}
			var streamed [5]string
			mixed, last := false, 0
			for _, data := range stream(t, c, "/v1/completions", body(`, "stream": true, "cache_prompt": false`)) {
				var chunk completion
				if err := json.Unmarshal([]byte(data), &chunk); err != nil {
					break // [DONE]
				}
				i := chunk.Choices[0].Index
				streamed[i] += chunk.Choices[0].Text
				mixed, last = mixed || i < last, i
			}
			fresh := get[completion](t, inOrder, "/v1/completions", body(`, "cache_prompt": false`))
			for i := range want.Choices {
				if a, b := got.Choices[i], want.Choices[i]; a.Index != i || a.Text != b.Text {
					t.Errorf("%s: choice %d is %d, %q, want %q", name, i, a.Index, a.Text, b.Text)
				}
				if streamed[i] != fresh.Choices[i].Text {
					t.Errorf("%s: choice %d is %q in a stream, want %q", name, i, streamed[i], fresh.Choices[i].Text)
				}
			}
			if !mixed {
				t.Errorf("%s: the choices came one after the other", name)
			}
		}
		if !c.places.TryAcquire(4) {
			t.Errorf("%s: places are not free", name)
		}
	}
}
