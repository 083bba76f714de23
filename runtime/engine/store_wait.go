package engine

import (
	"context"
	"time"

	"st/runtime/kernel"
)

// await returns when something has come or was changed, or a little earlier.
func (s *streamedStore) await(ctx context.Context) error {
	r := s.ring
	for range ringSpins {
		if r.queue.Ready() {
			return nil
		}
		kernel.Pause()
	}
	s.mu.Lock()
	all := s.submit()
	closed, err := s.closed, r.err
	s.mu.Unlock()
	switch {
	case closed:
		return ErrClosed
	case err != nil, !all: // nothing may be in flight that would end a wait, and there is no signal for the kernel's having room again
		time.Sleep(time.Millisecond)
		return ctx.Err()
	}
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, r.queue.Wake)()
	}
	if err := r.queue.Wait(); err != nil {
		s.mu.Lock()
		r.err = err
		s.mu.Unlock()
	}
	return ctx.Err()
}

// rest waits until a read has ended, or ctx was cancelled. The store is locked before and after.
func (s *streamedStore) rest(ctx context.Context) error {
	if s.ring == nil {
		s.idle.Wait()
		return ctx.Err()
	}
	s.mu.Unlock()
	err := s.await(ctx)
	s.mu.Lock()
	s.reap()
	if s.ring.err != nil {
		s.stopRing()
	}
	return err
}

// drain gives the ring back when nothing is in flight any more, after stop. What is in flight of a ring that has failed may never end: then its memory
// stays.
func (s *streamedStore) drain() {
	r := s.ring
	for r.queue.InFlight() > 0 {
		s.mu.Lock()
		all := s.submit()
		s.reap()
		if r.err != nil {
			s.stopRing()
		}
		s.mu.Unlock()
		if !all || r.err != nil || r.queue.InFlight() > 0 && r.queue.Wait() != nil {
			time.Sleep(time.Millisecond)
		}
	}
	_ = r.queue.Close()
}
