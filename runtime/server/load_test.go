package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	goruntime "runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"st/runtime/process"
)

// loadTime is how long TestLoad runs.
var loadTime = flag.Duration("load", 2*time.Second, "run the load test for a `TIME`")

// loadRequest is a request of TestLoad, and the answer that it gets alone.
type loadRequest struct {
	path, body, want string
	stream           bool
}

// loadRequests returns requests of mixed lengths.
func loadRequests() (all []*loadRequest) {
	const text = "In the beginning God created the heaven and the earth. And the earth was without form, and void; and darkness was upon the face of the deep. "
	for i := range 40 {
		prompt := strings.Repeat(text, 5)[:10+i*13]
		fields := fmt.Sprintf(`"max_tokens": %d, "seed": %d, "ignore_eos": true, "cache_prompt": false, "stream": %v`, 1+i*i%90, i, i%2 == 0)
		r := &loadRequest{path: "/v1/completions", body: fmt.Sprintf(`{"prompt": %q, %s}`, prompt, fields), stream: i%2 == 0}
		if i%3 == 0 {
			r.path, r.body = "/v1/chat/completions", fmt.Sprintf(`{"messages": [{"role": "user", "content": %q}], %s}`, prompt, fields)
		}
		all = append(all, r)
	}
	return all
}

// run sends the request and returns the text of the answer. A stream that ends without its last event is an error.
func (q *loadRequest) run(ctx context.Context, url string, h *http.Client) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+q.path, strings.NewReader(q.body))
	if err != nil {
		return "", err
	}
	a, err := h.Do(r)
	if err != nil {
		return "", err
	}
	defer a.Body.Close()
	if a.StatusCode != http.StatusOK {
		data, _ := io.ReadAll(a.Body)
		return "", fmt.Errorf("status %d: %s", a.StatusCode, data)
	}
	// An answer of either path, or a part of one.
	type answer struct {
		Choices []struct {
			Text           string
			Message, Delta struct{ Content string }
		}
		Error any
	}
	text := ""
	add := func(data []byte) error {
		var part answer
		if err := json.Unmarshal(data, &part); err != nil {
			return err
		}
		if part.Error != nil {
			return fmt.Errorf("%v", part.Error)
		}
		for _, c := range part.Choices {
			text += c.Text + c.Message.Content + c.Delta.Content
		}
		return nil
	}
	if !q.stream {
		data, err := io.ReadAll(a.Body)
		if err == nil {
			err = add(data)
		}
		return text, err
	}
	lines := bufio.NewScanner(a.Body)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		switch {
		case data == "[DONE]":
			return text, nil
		case ok:
			if err := add([]byte(data)); err != nil {
				return "", errors.Join(lines.Err(), err) // the line of a request that was cancelled may be cut off
			}
		}
	}
	return "", errors.Join(lines.Err(), io.ErrUnexpectedEOF)
}

// usage is what a process takes.
type usage struct {
	goroutines    int
	heap, RSS, kv int64 // bytes; kv: of sequences that are kept, outside the heap
}

func (c *client) usage() usage {
	debug.FreeOSMemory()
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	u := usage{goroutines: goruntime.NumGoroutine(), heap: int64(m.HeapAlloc), RSS: process.Resident()}
	if m := c.models.served[0].model; m != nil {
		u.kv = m.Engine().KVBytes()
	}
	return u
}

// 64 clients at once, a third of whose requests are cancelled at any moment: each answer that comes to its end is what the same request gets alone,
// and afterwards no goroutine is left and no memory is taken but that of sequences that the cache keeps.
//
//	go test ./runtime/server -run TestLoad -load 10m -timeout 15m -v
func TestLoad(t *testing.T) {
	requests := loadRequests()
	alone := start(t, Options{Parallel: 1})
	for _, q := range requests {
		var err error
		if q.want, err = q.run(t.Context(), alone.url, http.DefaultClient); err != nil || q.want == "" {
			t.Fatalf("%s: %q, %v", q.body, q.want, err)
		}
	}
	clients := 64
	if testing.Short() {
		clients = 24
	}
	// A request that was cancelled may still be in the queue while its client asks again, and again.
	c := start(t, Options{Parallel: 8, Queue: 1 << 20, Memory: 256 << 20, Logger: slog.New(slog.DiscardHandler)})
	http.DefaultClient.CloseIdleConnections()
	if _, err := requests[0].run(t.Context(), c.url, http.DefaultClient); err != nil { // it loads the model
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	before := c.settle(t, 0)

	var finished, cancelled atomic.Int64
	run := func(d time.Duration, seed uint64) {
		var wg sync.WaitGroup
		end := time.Now().Add(d)
		transport := &http.Transport{MaxIdleConnsPerHost: clients}
		h := &http.Client{Transport: transport}
		for i := range clients {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(seed, uint64(i)))
				for n := 0; n < 2 || time.Now().Before(end); n++ { // however busy the machine is: what requests take is taken in the first quarter
					q, ctx, cancel := requests[r.IntN(len(requests))], t.Context(), context.CancelFunc(func() {})
					quits := r.IntN(3) == 0
					if quits {
						ctx, cancel = context.WithTimeout(ctx, time.Duration(r.ExpFloat64()*float64(200*time.Millisecond)))
					}
					got, err := q.run(ctx, c.url, h)
					switch {
					case err == nil && got == q.want:
						finished.Add(1)
					case quits && errors.Is(err, context.DeadlineExceeded):
						cancelled.Add(1)
					default:
						t.Errorf("%s: %q, %v; alone %q", q.body, got, err, q.want)
					}
					cancel()
				}
			})
		}
		wg.Wait()
		transport.CloseIdleConnections()
	}
	run(*loadTime/4, 1)
	first := c.settle(t, before.goroutines)
	run(*loadTime-*loadTime/4, 2)
	last := c.settle(t, before.goroutines)
	t.Logf("%d answers, %d cancelled; before: %+v, after a quarter: %+v, at the end: %+v", finished.Load(), cancelled.Load(), before, first, last)
	if finished.Load() == 0 || cancelled.Load() == 0 {
		t.Errorf("%d answers, %d cancelled", finished.Load(), cancelled.Load())
	}
	if grown := last.heap - first.heap; grown > 4<<20 {
		t.Errorf("the heap grew by %d bytes after the first quarter", grown)
	}
	if grown := last.RSS - last.kv - (first.RSS - first.kv); grown > 32<<20 {
		t.Errorf("the process grew by %d bytes after the first quarter, beside the KV caches that are kept", grown)
	}
	if c.queue.active() != 0 || !c.places.TryAcquire(8) {
		t.Error("a place is not free")
	}
}

// settle waits until what ended has left no more than so many goroutines, and returns what is taken then. 0: any number. A leak ends the test, with what
// all goroutines do, after so many looks that on a busy machine, too, all that ends has ended.
func (c *client) settle(t *testing.T, goroutines int) usage {
	t.Helper()
	for range 20_000 {
		if c.queue.active() == 0 && (goroutines == 0 || goruntime.NumGoroutine() <= goroutines) {
			return c.usage()
		}
		time.Sleep(time.Millisecond)
	}
	stacks := make([]byte, 1<<20)
	t.Fatalf("%d requests and %d goroutines are left, before there were %d:\n%s", c.queue.active(), goruntime.NumGoroutine(), goroutines, stacks[:goruntime.Stack(stacks, true)])
	return usage{}
}
