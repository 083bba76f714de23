package engine_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"st/convert/modeltest"
	"st/quant"
	"st/runtime/engine"
)

// A chat within a budget: while answers are generated, experts have the memory of the prompts' activations, and give it back for the next prompt. That finds
// there what experts have left; the bits are those without a budget.
func TestLend(t *testing.T) {
	const parallel = 3
	lengths := []int{40, 1, 1, 1, 300, 1, 1, 10, 1, 60, 1} // ten tokens are few enough for the pass of single ones, of one sequence at a time
	for name, shape := range map[string]modeltest.Shape{"many experts": manyExperts(), "odd rows": variants["rows of no whole block"]} {
		for _, method := range []string{"", "threads"} {
			for _, typ := range anyType(quant.F32, quant.Q4_0) {
				t.Run(name+" "+method+" "+typ.String(), func(t *testing.T) {
					t.Setenv(engine.ReadMethodVariable, method)
					r := reader(t, write(t, shape, typ))
					want := steps(t, session(t, openReader(t, r, engine.Options{Threads: 2})), lengths...)
					tokens := prompt(1000, 50)
					for _, parallel := range []int{1, parallel} {
						e := lending(t, r, engine.Options{Threads: 2, Context: 600, Parallel: parallel}, 0)
						b, s, before := e.Budget(), session(t, e), e.MemoryUse()
						used := 0
						for i, n := range lengths {
							if got := forward(t, s, tokens[s.Len():s.Len()+n]...); !slices.Equal(got, want[i]) {
								t.Errorf("%d sequences: step %d differs", parallel, i)
							}
							slots, experts := e.Lent()
							used = max(used, experts)
							lent := int64(0)
							if n == 1 || n == 10 && parallel == 1 {
								lent = b.Lent
							} else {
								e.Scribble()
							}
							u := e.MemoryUse()
							if (slots > 0) != (lent > 0) || u.Working != before.Working-lent || u.Experts-lent < b.SmallestExperts ||
								u.Dense+u.Experts+u.KV+u.Working > b.Total-b.Reserve {
								t.Errorf("%d sequences: after step %d %d slots are lent, %d bytes: %+v, at first %+v", parallel, i, slots, lent, u, before)
							}
						}
						if dense := e.MemoryUse().Dense; dense != b.Dense {
							t.Errorf("weights that every token reads take %d bytes, %d are counted", dense, b.Dense)
						}
						if b.Lent == 0 || b.Lent > b.Working || used == 0 {
							t.Errorf("%d sequences: %d bytes of %d are lent, to %d experts", parallel, b.Lent, b.Working, used)
						}
					}
				})
			}
		}
	}
}

// So it is with several sequences at once, and with drafts, which are single tokens.
func TestLendSequences(t *testing.T) {
	r := reader(t, write(t, manyExperts(), quant.Q4_0))
	alone := openReader(t, r, engine.Options{Threads: 1})
	e := lending(t, r, engine.Options{Threads: 2, Parallel: 3, Context: 512}, 1<<20)
	var want [5][][]float32
	for i := range want {
		s := session(t, alone)
		want[i] = runScript(t, s, i)
		s.Close()
	}
	var all sync.WaitGroup
	for i := range want {
		s := session(t, e)
		all.Go(func() {
			for step, got := range runScript(t, s, i) {
				if !slices.Equal(got, want[i][step]) {
					t.Errorf("sequence %d, step %d differs", i, step)
				}
			}
		})
	}
	all.Wait()

	e = lending(t, r, engine.Options{Threads: 2, Context: 512}, 0)
	tokens := prompt(300, 50)
	if drafts(t, e, tokens, 40, stepped(t, alone, tokens, 40), 5) == 0 {
		t.Error("nothing was guessed")
	}
	if slots, _ := e.Lent(); slots == 0 {
		t.Error("nothing is lent after drafts")
	}
}

// A prompt that comes while the disk stalls, in a read into memory that is lent, can be cancelled; the next one waits.
func TestLendStalls(t *testing.T) {
	f, r := openFaulty(t, write(t, manyExperts(), quant.Q4_0))
	e := lending(t, r, engine.Options{Threads: 2, Context: 512}, 0)
	s := session(t, e)
	want := slices.Clone(forward(t, s, prompt(40, 50)...))
	forward(t, s, 1)
	s.Truncate(0)
	stalls, release := make(chan struct{}, 64), make(chan struct{})
	f.set(func(int64, []byte) (int, error, bool) {
		stalls <- struct{}{}
		<-release
		return 0, nil, false
	})
	e.Unfill()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-stalls
		cancel()
	}()
	if _, err := s.Forward(ctx, []int32{1}); !errors.Is(err, context.Canceled) {
		t.Fatalf("error is %v, want Canceled", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := s.Forward(ctx, prompt(40, 50))
		done <- err
	}()
	engine.Eventually(t, "the prompt waits for the disk", func() bool { return e.Waiting() > 0 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want Canceled", err)
	}
	close(release)
	f.set(nil)
	if got := forward(t, s, prompt(40, 50)...); !slices.Equal(got, want) {
		t.Error("the prompt differs after the disk has stalled")
	}
}
