package engine_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"st/convert/modeltest"
	"st/quant"
	"st/runtime/engine"
)

// A call that is cancelled while the next pass is being chosen lets nobody read what is its session's: the session runs something else at once,
// or is closed. The race detector sees it.
func TestCancelWhileChosen(t *testing.T) {
	e := openReader(t, reader(t, write(t, manyExperts(), quant.Q4_0)), engine.Options{Threads: 2})
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for i := range 100 {
				s, err := e.NewSession()
				if err != nil {
					t.Error(err)
					return
				}
				for range 3 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%10)*100*time.Microsecond)
					if _, err := s.Forward(ctx, []int32{1}); err != nil && !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
					cancel()
				}
				s.Close()
			}
		})
	}
	wg.Wait()
}

// Close beside a pass that reads rows of the embedding table from the file.
func TestCloseWhileLookingUp(t *testing.T) {
	path := write(t, variant(func(s *modeltest.Shape) { s.Untied = true }), quant.Q8_0)
	for range 10 {
		e := stream(t, reader(t, path), engine.Options{Threads: 2}, 0)
		s := session(t, e)
		running, err := make(chan struct{}, 1), make(chan error)
		go func() {
			for {
				if _, e := s.Forward(t.Context(), []int32{1}); e != nil {
					err <- e
					return
				}
				s.Truncate(0)
				select {
				case running <- struct{}{}:
				default:
				}
			}
		}()
		<-running
		e.Close()
		if err := <-err; !errors.Is(err, engine.ErrClosed) {
			t.Errorf("error is %v, want ErrClosed", err)
		}
	}
}
