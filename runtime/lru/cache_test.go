package lru_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"st/runtime/lru"
)

func key(n byte) lru.Key { return lru.Key{n} }

// get has a value made, and reports whether it was.
func get(t *testing.T, c *lru.Cache[int], k byte, value int) (made bool) {
	t.Helper()
	v, err := c.Get(t.Context(), key(k), func() (int, error) { made = true; return value, nil })
	if err != nil || v != value {
		t.Fatalf("%d, %v", v, err)
	}
	return made
}

// TestLeastRecentlyUsed: sizes are the values themselves, and there is room for 10.
func TestLeastRecentlyUsed(t *testing.T) {
	c := lru.New(1, 10, func(n int) int { return n })
	for i, step := range []struct {
		key   byte
		value int
		made  bool
		len   int
	}{
		{1, 4, true, 1},
		{2, 4, true, 2},
		{1, 4, false, 2},
		{3, 4, true, 2}, // 2 is dropped
		{1, 4, false, 2},
		{2, 4, true, 2},   // 3 is
		{4, 11, true, 0},  // which has no room at all
		{1, 10, true, 1},  // was dropped, too
		{1, 10, false, 1}, // has room
		{5, 1, true, 1},
	} {
		if made := get(t, c, step.key, step.value); made != step.made || c.Len() != step.len {
			t.Errorf("step %d: made %v, and %d are kept", i, made, c.Len())
		}
	}
}

func TestErrorsAreNotKept(t *testing.T) {
	c := lru.New(1, 10, func(int) int { return 1 })
	bad := errors.New("bad")
	if _, err := c.Get(t.Context(), key(1), func() (int, error) { return 0, bad }); err != bad {
		t.Fatal(err)
	}
	if !get(t, c, 1, 7) || c.Len() != 1 {
		t.Error("the error was kept")
	}
}

// TestOneAtATime: many ask for two values at the same time. Each is made once, and never both at once.
func TestOneAtATime(t *testing.T) {
	c := lru.New(1, 10, func(int) int { return 1 })
	var making, most, made atomic.Int64
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			_, err := c.Get(t.Context(), key(byte(i%2)), func() (int, error) {
				most.Store(max(most.Load(), making.Add(1)))
				defer making.Add(-1)
				made.Add(1)
				return i, nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if made.Load() != 2 || most.Load() != 1 {
		t.Errorf("%d were made, %d at once", made.Load(), most.Load())
	}
}

// TestWaitingEnds: who waits for another to be made is told when its context ends.
func TestWaitingEnds(t *testing.T) {
	c := lru.New(1, 10, func(int) int { return 1 })
	begun, release := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		_, _ = c.Get(context.Background(), key(1), func() (int, error) { close(begun); <-release; return 1, nil })
	})
	<-begun
	gone := errors.New("the client went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error)
	go func() {
		_, err := c.Get(ctx, key(2), func() (int, error) { return 2, nil })
		ended <- err
	}()
	cancel(gone)
	if err := <-ended; err != gone {
		t.Error(err)
	}
	close(release)
	group.Wait()
}
