package engine_test

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"st/quant"
	"st/runtime/engine"
)

// While tokens run, memory goes and comes back: the bits stay, and what is kept fits.
func TestSetMemory(t *testing.T) {
	r := reader(t, write(t, manyExperts(), quant.Q4_0))
	lengths := []int{1, 30, 1, 1, 280, 1, 1, 40, 1, 1}
	plain := openReader(t, r, engine.Options{Threads: 2})
	want := steps(t, session(t, plain), lengths...)
	if n, err := plain.SetMemory(t.Context(), 1); n != 0 || err != nil {
		t.Errorf("without a bound: %d, %v", n, err)
	}
	e := stream(t, r, engine.Options{Threads: 2}, 1<<20)
	b, s := e.Budget(), session(t, e)
	forward(t, s, 1)
	s.Truncate(0)
	all := e.MemoryUse().Experts // with what is lent after single tokens
	var changes sync.WaitGroup
	stop := make(chan struct{})
	changes.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := e.SetMemory(t.Context(), []int64{0, b.Total, b.Smallest() + 200<<10}[i%3]); err != nil {
				t.Errorf("change %d: %v", i, err)
				return
			}
		}
	})
	for i, got := range steps(t, s, lengths...) {
		if !slices.Equal(got, want[i]) {
			t.Errorf("step %d differs", i)
		}
	}
	close(stop)
	changes.Wait()
	if n, err := e.SetMemory(t.Context(), 1); err != nil || n != b.Smallest() || e.Memory() != n {
		t.Errorf("the least is %d, %v; it is %d", n, err, b.Smallest())
	}
	few := e.MemoryUse().Experts
	resident := 0
	for _, in := range e.Residents(nil) {
		if in {
			resident++
		}
	}
	if few >= all || few < b.SmallestExperts || resident > int(few/(b.SmallestExperts/4)) {
		t.Errorf("%d bytes of %d are left for experts, of which %d are in memory", few, all, resident)
	}
	s.Close() // what its KV cache gives back must not be taken while others need it
	if n, err := e.SetMemory(t.Context(), 1<<40); err != nil || n != b.Total || e.MemoryUse().Experts != all {
		t.Errorf("as much as before is %d of %d, %v: %d bytes for experts", n, b.Total, err, e.MemoryUse().Experts)
	}
	e.Close()
	if _, err := e.SetMemory(t.Context(), 1); err != engine.ErrClosed {
		t.Errorf("closed: %v", err)
	}
}

// A share is a bound of sequences that grow, too: what one model may take another one has not. It is what experts leave at first, and grows later.
func TestSetShare(t *testing.T) {
	r := reader(t, write(t, manyExperts(), quant.Q4_0))
	opts := engine.Options{Threads: 2}
	b, _ := engine.NewBudget(r, opts)
	opts.Memory, opts.Share = b.Smallest()+8<<20, 1
	e, err := engine.Open(t.Context(), r, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	b = e.Budget()
	if n := e.Memory(); n != b.SmallestShare() || e.MemoryUse().Experts > n {
		t.Errorf("it begins with %d, and %d for experts; the least is %d", n, e.MemoryUse().Experts, b.SmallestShare())
	}
	if n, err := e.SetMemory(t.Context(), b.Total); err != nil || n != b.SmallestShare() {
		t.Errorf("it may take %d of its share of %d: %v", n, b.SmallestShare(), err)
	}
	tokens := prompt(1000, 50)
	// The least has room for one sequence at least: a few fill it.
	var full error
	var sessions []*engine.Session
	for range 40 {
		s := session(t, e)
		sessions = append(sessions, s)
		if _, full = s.Forward(t.Context(), tokens[:e.Context()/2]); full != nil {
			break
		}
	}
	if !errors.Is(full, engine.ErrMemory) {
		t.Fatalf("%d sequences grow: %v", len(sessions), full)
	}
	// What sequences hold is not taken from them.
	held := e.MemoryUse().KV
	n, err := e.SetShare(t.Context(), 1)
	if err != nil || n < b.SmallestShare() || e.MemoryUse().KV != held {
		t.Errorf("a share of %d: %v, and %d of %d for sequences", n, err, e.MemoryUse().KV, held)
	}
	if n, err := e.SetShare(t.Context(), 1<<50); err != nil || n != b.Total {
		t.Errorf("all is %d of %d: %v", n, b.Total, err)
	}
	last := sessions[len(sessions)-1]
	last.Truncate(0)
	if _, err := last.Forward(t.Context(), tokens[:e.Context()/2]); err != nil {
		t.Errorf("with a larger share: %v", err)
	}
	for _, s := range sessions {
		s.Close()
	}
	if n, err := e.SetShare(t.Context(), 1); err != nil || n != b.SmallestShare() || e.Memory() != n {
		t.Errorf("without sequences it is %d, %v, and the least is %d", n, err, b.SmallestShare())
	}
}

// What cannot wait for a pass is obeyed between two layers of it, or when it is asked again.
func TestLimitMemory(t *testing.T) {
	r := reader(t, write(t, manyExperts(), quant.Q4_0))
	plain := openReader(t, r, engine.Options{Threads: 2})
	if n, obeyed := plain.LimitMemory(t.Context(), 1); n != 0 || !obeyed {
		t.Errorf("without a bound: %d, %t", n, obeyed)
	}
	e := stream(t, r, engine.Options{Threads: 2}, 1<<20)
	forward(t, session(t, e), 1)
	all, least := e.MemoryUse().Experts, e.LeastMemory()
	unlock := e.HoldPass()
	for range 2 {
		if n, obeyed := e.LimitMemory(t.Context(), 1); n != least || obeyed || e.Memory() != least {
			t.Errorf("while a pass runs: %d of at least %d, obeyed: %t, and in force is %d", n, least, obeyed, e.Memory())
		}
	}
	unlock()
	if n, obeyed := e.LimitMemory(t.Context(), 1); n != least || !obeyed || e.MemoryUse().Experts >= all {
		t.Errorf("after it: %d of at least %d, obeyed: %t; experts have %d bytes of %d", n, least, obeyed, e.MemoryUse().Experts, all)
	}
	unlock = e.HoldKV() // as a pass does that is giving memory back
	for _, n := range []int64{1, 1 << 60} {
		if _, obeyed := e.LimitMemory(t.Context(), n); obeyed {
			t.Error("memory may still be on its way back, and it is said to be there")
		}
	}
	unlock()
	if n, obeyed := e.LimitMemory(t.Context(), 1<<60); n != e.Budget().Total || !obeyed || e.MemoryUse().Experts != all {
		t.Errorf("all of it again: %d, obeyed: %t; experts have %d bytes of %d", n, obeyed, e.MemoryUse().Experts, all)
	}
}
