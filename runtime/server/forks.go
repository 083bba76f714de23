package server

import (
	"context"
	"sync"

	"st/runtime"
)

// forks are copies of the sequence that has run a prompt, for choices that run at the same time.
type forks struct {
	n    int // how many are made
	once sync.Once
	made chan struct{} // is closed when they are there

	mu   sync.Mutex
	idle []*runtime.Sequence
}

// make copies the sequence that has run the prompt. It is called at its first piece, when it holds the prompt and nothing else. Without memory
// for a copy, a choice runs the prompt itself.
func (f *forks) make(ctx context.Context, q *runtime.Sequence) {
	if f == nil {
		return
	}
	f.once.Do(func() {
		defer close(f.made)
		for range f.n {
			c, err := q.Fork(ctx)
			if err != nil {
				return
			}
			f.put(c)
		}
	})
}

// none ends the waiting for copies when none were made.
func (f *forks) none() {
	f.once.Do(func() { close(f.made) })
}

// take returns a copy; nil if there is none.
func (f *forks) take() *runtime.Sequence {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.idle)
	if n == 0 {
		return nil
	}
	q := f.idle[n-1]
	f.idle = f.idle[:n-1]
	return q
}

func (f *forks) put(q *runtime.Sequence) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = append(f.idle, q)
}

func (f *forks) close() {
	for q := f.take(); q != nil; q = f.take() {
		q.Close()
	}
}
