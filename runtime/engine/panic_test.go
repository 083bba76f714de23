package engine_test

import (
	"strings"
	"sync"
	"testing"

	"st/quant"
	"st/runtime/engine"
)

// panics is an observer that calls first in the first layer of the first long prompt, and then panics in a pass of so many tokens.
type panics struct {
	topK, tokens int
	first        func()
}

func (o *panics) ExpertsUsed(_ int, experts []int32, _ []float32, _ []int32) {
	switch n := len(experts) / o.topK; {
	case n > 16 && o.first != nil:
		o.first()
		o.first = nil
	case n == o.tokens:
		o.tokens = 0
		panic("an observer")
	}
}

// A panic of what a pass calls reaches the caller whose goroutine runs it. The other requests of the pass end, with an error or as if nothing had been, and
// all sessions can be used again.
func TestPanic(t *testing.T) {
	path := write(t, manyExperts(), quant.Q4_0)
	for _, c := range []struct {
		name         string
		observer     int    // panics in a pass of so many tokens
		function     bool   // the function that is given a's logits panics
		prompt, a, b string // how these calls end
	}{
		{"a function", 0, true, "", "panic: a function", ""},
		{"an observer", 2, false, "panic: an observer", "panicked", "panicked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := openReader(t, reader(t, path), engine.Options{Threads: 2, Parallel: 3})
			long, a, b := session(t, e), session(t, e), session(t, e)
			ends := map[string]string{}
			var mu sync.Mutex
			var wg sync.WaitGroup
			call := func(name string, s *engine.Session, tokens []int32, f func()) {
				end := ""
				defer func() {
					if r := recover(); r != nil {
						end = "panic: " + r.(string)
					}
					mu.Lock()
					defer mu.Unlock()
					ends[name] = end
				}()
				if err := s.ForwardAll(t.Context(), tokens, func(int, []float32) error { f(); return nil }); err != nil {
					end = err.Error()
				}
			}
			nothing := func() {}
			fa := nothing
			if c.function {
				fa = func() { panic("a function") }
			}
			e.ObserveExperts(&panics{e.Config().TopK(), c.observer, func() {
				wg.Go(func() { call("a", a, []int32{1}, fa) })
				wg.Go(func() { call("b", b, []int32{2}, nothing) })
				engine.Eventually(t, "the tokens are in the queue", func() bool { return e.Waiting() == 3 })
			}})
			call("prompt", long, prompt(40, 50), nothing)
			wg.Wait()
			for name, want := range map[string]string{"prompt": c.prompt, "a": c.a, "b": c.b} {
				if got := ends[name]; !strings.Contains(got, want) || want == "" && got != "" {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			e.ObserveExperts(nil)
			want := forward(t, session(t, e), 5, 6, 7)
			for _, s := range []*engine.Session{long, a, b} {
				s.Truncate(0)
				wg.Go(func() {
					if got, err := s.Forward(t.Context(), []int32{5, 6, 7}); err != nil || got[0] != want[0] {
						t.Errorf("after it: %v", err)
					}
				})
			}
			wg.Wait()
		})
	}
}
