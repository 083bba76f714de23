package engine_test

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"st/convert/modeltest"
	"st/quant"
	"st/runtime/engine"
)

// script is what one sequence of the tests below runs: a prompt and tokens after it.
func script(i int) []int {
	return [][]int{{30, 1, 1, 1}, {1, 1, 1, 1, 1}, {300, 1, 1}, {2, 1, 40, 1}}[i%4]
}

// runScript runs a script and returns the logits of each step. Sequences differ in their tokens.
func runScript(t *testing.T, s *engine.Session, i int) [][]float32 {
	t.Helper()
	var got [][]float32
	tokens := prompt(1000+i, 50)[i:]
	for _, n := range script(i) {
		logits, err := s.Forward(t.Context(), tokens[s.Len():s.Len()+n])
		if err != nil {
			t.Error(err)
			return nil
		}
		got = append(got, slices.Clone(logits))
	}
	return got
}

// The bits of a sequence do not depend on what runs beside it, with all experts in memory and with few, for every type: eight sequences at
// once give what each gives alone.
func TestSessionsTogether(t *testing.T) {
	for _, typ := range anyType(quant.F32, quant.Q8_0, quant.Q4_0) {
		path := write(t, manyExperts(), typ)
		var want [8][][]float32
		alone := openReader(t, reader(t, path), engine.Options{Threads: 1})
		for i := range want {
			s := session(t, alone)
			want[i] = runScript(t, s, i)
			s.Close()
		}
		for name, e := range map[string]*engine.Engine{
			"mapped":       openReader(t, reader(t, path), engine.Options{Threads: 2, Parallel: 8}),
			"three a pass": openReader(t, reader(t, path), engine.Options{Threads: 2, Parallel: 3}),
			"streamed":     stream(t, reader(t, path), engine.Options{Threads: 2, Parallel: 8, Context: 512}, 2<<20),
		} {
			t.Run(fmt.Sprintf("%s %s", typ, name), func(t *testing.T) {
				var wg sync.WaitGroup
				for i := range want {
					wg.Go(func() {
						s, err := e.NewSession()
						if err != nil {
							t.Error(err)
							return
						}
						defer s.Close()
						for step, got := range runScript(t, s, i) {
							if !slices.Equal(got, want[i][step]) {
								d, _ := difference(want[i][step], got)
								t.Errorf("sequence %d, step %d: differs from what it gives alone by up to %g", i, step, d)
							}
						}
					})
				}
				wg.Wait()
			})
		}
	}
}

// ForwardAll calls its function on the caller's goroutine, with every token's logits, also when another call leads the pass; and what the
// function returns ends that call alone.
func TestForwardAllTogether(t *testing.T) {
	e := openReader(t, reader(t, write(t, manyExperts(), quant.Q4_0)), engine.Options{Threads: 2, Parallel: 4})
	var want [][]float32
	tokens := prompt(40, 50)
	all := func(s *engine.Session) (got [][]float32, err error) {
		err = s.ForwardAll(t.Context(), tokens, func(i int, logits []float32) error {
			if i != len(got) {
				t.Errorf("token %d comes after %d", i, len(got))
			}
			got = append(got, slices.Clone(logits))
			return nil
		})
		return got, err
	}
	want, err := all(session(t, e))
	if err != nil || len(want) != len(tokens) {
		t.Fatalf("%d tokens: %v", len(want), err)
	}
	stop := errors.New("enough")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			s, err := e.NewSession()
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if i%2 == 0 {
				calls := 0
				err := s.ForwardAll(t.Context(), tokens, func(int, []float32) error { calls++; return stop })
				if !errors.Is(err, stop) || calls != 1 {
					t.Errorf("%d calls, error is %v", calls, err)
				}
				return
			}
			if got, err := all(s); err != nil || !slices.EqualFunc(got, want, slices.Equal[[]float32]) {
				t.Errorf("other logits beside others: %v", err)
			}
		})
	}
	wg.Wait()
}

// A closed session's memory is back at once: in a budget for little more than one sequence, sequence after sequence runs, and the experts get
// their memory back.
func TestSessionMemory(t *testing.T) {
	r := reader(t, write(t, manyExperts(), quant.Q4_0))
	e := stream(t, r, engine.Options{Threads: 2, Context: 600}, 0)
	for range 3 {
		s := session(t, e)
		forward(t, s, prompt(600, 50)...)
		if s.KVBytes() == 0 || e.KVBytes() != s.KVBytes() {
			t.Errorf("the KV cache of the session has %d bytes, of the engine %d", s.KVBytes(), e.KVBytes())
		}
		other := session(t, e)
		if _, err := other.Forward(t.Context(), []int32{1}); !errors.Is(err, engine.ErrMemory) {
			t.Errorf("error is %v, want ErrMemory: there is room for one sequence", err)
		}
		s.Close()
		s.Close()
		if e.KVBytes() != 0 {
			t.Errorf("%d bytes of KV cache are left of a closed session", e.KVBytes())
		}
		if _, err := s.Forward(t.Context(), []int32{1}); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("error is %v, want ErrClosed", err)
		}
		forward(t, other, 1)
		other.Close()
	}
}

// Truncate keeps what is before, gives memory back, and says so if a window has lost what would be needed.
func TestTruncate(t *testing.T) {
	plain := variant(func(s *modeltest.Shape) { s.Sliding = []int{0, 0, 0} })
	for _, tt := range []struct {
		name                string
		shape               modeltest.Shape
		length, to, kept    int
		wantPagesAtLeastOne bool
	}{
		{"no window", plain, 400, 100, 100, true},
		{"no window, longer than it is", plain, 40, 100, 40, true},
		{"no window, nothing", plain, 400, 0, 0, false},
		{"a window that is not full", variant(func(s *modeltest.Shape) { s.Sliding, s.Window = []int{0, 1, 1}, 64 }), 60, 20, 20, true},
		{"a window that is full", variant(func(s *modeltest.Shape) { s.Sliding, s.Window = []int{0, 1, 1}, 16 }), 60, 40, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := openReader(t, reader(t, write(t, tt.shape, quant.Q8_0)), engine.Options{Threads: 2})
			s, tokens := session(t, e), prompt(tt.length, 50)
			forward(t, s, tokens...)
			before := s.KVBytes()
			if kept := s.Truncate(tt.to); kept != tt.kept || s.Len() != kept {
				t.Fatalf("%d tokens are kept, %d in the sequence, want %d", kept, s.Len(), tt.kept)
			}
			if s.KVBytes() > before || (s.KVBytes() > 0) != tt.wantPagesAtLeastOne {
				t.Errorf("the KV cache had %d bytes and has %d", before, s.KVBytes())
			}
			other := session(t, e)
			var want []float32
			if tt.kept > 0 {
				forward(t, other, tokens[:tt.kept]...)
			}
			want = forward(t, other, 7)
			if got := forward(t, s, 7); tt.kept != tt.length && tt.kept <= 256 && tt.kept > 0 {
				if d, _ := difference(want, got); d > 2e-2 {
					t.Errorf("after the cut the logits differ by %g from those of the shorter sequence", d)
				}
			} else if tt.kept == 0 && !slices.Equal(got, want) {
				t.Error("an empty sequence gives other logits than a new one")
			}
		})
	}
}

// Close ends what runs and what waits; everything after it is ErrClosed; closing twice does nothing; and no goroutine is left, however the engine
// was used.
func TestClose(t *testing.T) {
	path := write(t, manyExperts(), quant.Q4_0)
	before := goruntime.NumGoroutine()
	for name, open := range map[string]func() *engine.Engine{
		"mapped": func() *engine.Engine {
			return openReader(t, reader(t, path), engine.Options{Threads: 3, Parallel: 2, Context: 4096})
		},
		"streamed": func() *engine.Engine {
			return stream(t, reader(t, path), engine.Options{Threads: 3, Parallel: 2, Context: 4096}, 4<<20)
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := open()
			running := make(chan struct{}, 100)
			var wg sync.WaitGroup
			for range 4 {
				s := session(t, e)
				wg.Go(func() {
					for {
						select {
						case running <- struct{}{}:
						default:
						}
						if _, err := s.Forward(t.Context(), prompt(20, 50)); err != nil {
							if !errors.Is(err, engine.ErrClosed) {
								t.Errorf("error is %v, want ErrClosed", err)
							}
							break
						}
						s.Truncate(0)
					}
					s.Close()
				})
			}
			<-running
			for range 2 {
				wg.Go(func() {
					if err := e.Close(); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if _, err := e.NewSession(); !errors.Is(err, engine.ErrClosed) {
				t.Errorf("error is %v, want ErrClosed", err)
			}
			e.Close()
		})
	}
	engine.Eventually(t, "all goroutines end", func() bool { return goruntime.NumGoroutine() <= before })
}

// Opening is cancelled by its context, and leaves nothing behind.
func TestOpenCancelled(t *testing.T) {
	path := write(t, manyExperts(), quant.Q4_0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := reader(t, path)
	before := goruntime.NumGoroutine()
	for _, memory := range []int64{0, 1 << 30} {
		if _, err := engine.Open(ctx, r, engine.Options{Threads: 2, Memory: memory}); !errors.Is(err, context.Canceled) {
			t.Errorf("error is %v, want context.Canceled", err)
		}
	}
	engine.Eventually(t, "all goroutines end", func() bool { return goruntime.NumGoroutine() <= before })
}

// Calls that are cancelled at any moment disturb nobody: the others give their bits, and the sequence goes on with what it has.
func TestCancelTogether(t *testing.T) {
	e := openReader(t, reader(t, write(t, manyExperts(), quant.Q4_0)), engine.Options{Threads: 2, Parallel: 4})
	want := runScript(t, session(t, e), 2)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			s, err := e.NewSession()
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			for k := range 10 {
				if i%2 == 0 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(k)*300*time.Microsecond)
					if _, err := s.Forward(ctx, prompt(300, 50)); err != nil && !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
					cancel()
					s.Truncate(0)
					continue
				}
				s.Truncate(0)
				for step, got := range runScript(t, s, 2) {
					if !slices.Equal(got, want[step]) {
						t.Errorf("step %d gives other bits beside calls that are cancelled", step)
					}
				}
			}
		})
	}
	wg.Wait()
}

// Two models in one process know nothing of each other.
func TestTwoEngines(t *testing.T) {
	a := openReader(t, reader(t, write(t, manyExperts(), quant.Q4_0)), engine.Options{Threads: 2})
	b := openReader(t, reader(t, write(t, variants["untied"], quant.Q8_0)), engine.Options{Threads: 2})
	wantA, wantB := runScript(t, session(t, a), 0), runScript(t, session(t, b), 0)
	procs := goruntime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	for range 3 {
		for _, m := range []struct {
			e    *engine.Engine
			want [][]float32
		}{{a, wantA}, {b, wantB}} {
			s := session(t, m.e)
			wg.Go(func() {
				if got := runScript(t, s, 0); !slices.EqualFunc(got, m.want, slices.Equal[[]float32]) {
					t.Error("other bits beside another engine")
				}
			})
		}
	}
	wg.Wait()
	if got := goruntime.GOMAXPROCS(0); got != procs {
		t.Errorf("GOMAXPROCS is %d, it was %d", got, procs)
	}
}
