package server

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"

	"st/runtime"
)

// choicePiece is a piece of a choice.
type choicePiece struct {
	runtime.Piece
	choice int
}

// shared holds copies of the sequence that has run a prompt, for choices that run at the same time.
type shared struct {
	once   sync.Once
	copies int
	done   chan struct{} // they are there

	mu   sync.Mutex
	idle []*runtime.Sequence
}

// share copies the sequence that has run the prompt. It is called at its first piece, when it holds the prompt and nothing else. Without memory
// for a copy, a choice runs the prompt itself.
func (s *shared) share(ctx context.Context, q *runtime.Sequence) {
	if s == nil {
		return
	}
	s.once.Do(func() {
		defer close(s.done)
		for range s.copies {
			f, err := q.Fork(ctx)
			if err != nil {
				return
			}
			s.put(f)
		}
	})
}

// take returns a copy; nil if there is none.
func (s *shared) take() *runtime.Sequence {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.idle)
	if n == 0 {
		return nil
	}
	q := s.idle[n-1]
	s.idle = s.idle[:n-1]
	return q
}

func (s *shared) put(q *runtime.Sequence) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, q)
}

func (s *shared) close() {
	for q := s.take(); q != nil; q = s.take() {
		q.Close()
	}
}

// choices generates n choices of a prompt, of which one returns the pieces of one, and yields pieces as they come. As many run at the same time as
// there are places free, but one: the first runs the prompt, and the others go on from there, unless each is to run the whole of it. A choice is
// what it would be after the others.
func (j *job) choices(ctx context.Context, n int, whole bool, one func(ctx context.Context, choice int) iter.Seq2[runtime.Piece, error]) iter.Seq2[choicePiece, error] {
	return func(yield func(choicePiece, error) bool) {
		extra := 0
		for extra < n-1 && j.server.places.TryAcquire(2) { // one place stays free, for the next request
			j.server.places.Release(1)
			extra++
		}
		if extra == 0 {
			j.inOrder(ctx, n, one, yield)
			return
		}
		parent := ctx
		ctx, cancel := context.WithCancel(ctx)
		s := &shared{copies: extra, done: make(chan struct{})}
		if whole || j.fresh {
			s.copies = 0
		}
		j.shared = s
		type item struct {
			choicePiece
			err error
		}
		items := make(chan item)
		var next atomic.Int64 // choice that nobody has begun
		var running sync.WaitGroup
		// work generates choices until none is left, or a request waits for the place that it has beside that of its job.
		work := func(keep func() bool) {
			for i := -1; ctx.Err() == nil && (i < 0 || keep()); {
				if i = int(next.Add(1) - 1); i >= n {
					return
				}
				for p, err := range one(ctx, i) {
					select {
					case items <- item{choicePiece{p, i}, err}:
					case <-ctx.Done():
						return
					}
					if err != nil {
						return
					}
				}
			}
		}
		running.Go(func() {
			work(func() bool { return true })
			s.once.Do(func() { close(s.done) })
		})
		for range extra {
			running.Go(func() {
				has := true
				defer func() {
					if has {
						j.server.places.Release(1)
					}
				}()
				select {
				case <-s.done:
				case <-ctx.Done():
				}
				work(func() bool {
					j.server.places.Release(1) // the one who waits longest has it now
					has = j.server.places.TryAcquire(1)
					return has
				})
			})
		}
		ended := make(chan struct{})
		go func() {
			running.Wait()
			close(ended)
		}()
		defer func() {
			cancel()
			<-ended
			s.close()
			j.shared = nil
		}()
		for {
			select {
			case it := <-items:
				if !yield(it.choicePiece, it.err) || it.err != nil {
					return
				}
			case <-ended:
				if parent.Err() != nil {
					yield(choicePiece{}, context.Cause(parent))
				}
				return
			}
		}
	}
}

// inOrder generates one choice after the other.
func (j *job) inOrder(ctx context.Context, n int, one func(ctx context.Context, choice int) iter.Seq2[runtime.Piece, error], yield func(choicePiece, error) bool) {
	for i := range n {
		for p, err := range one(ctx, i) {
			if !yield(choicePiece{p, i}, err) || err != nil {
				return
			}
		}
	}
}
