package engine_test

import (
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
	b := e.Budget()
	all := e.MemoryUse().Experts
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
	s := session(t, e)
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
