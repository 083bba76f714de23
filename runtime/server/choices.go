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

// oneChoice generates a choice.
type oneChoice func(ctx context.Context, choice int) iter.Seq2[runtime.Piece, error]

// choices generates n choices of a prompt, each of which the function one generates, and yields their pieces as they come. As many run at the same time as
// there are places free, but one: the first runs the prompt, and the others go on from there, unless each is to run the whole of it. A choice is
// what it would be after the others.
func (j *job) choices(ctx context.Context, n int, whole bool, one oneChoice) iter.Seq2[choicePiece, error] {
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
		j.forks = &forks{n: extra, made: make(chan struct{})}
		if whole || j.fresh {
			j.forks.n = 0
		}
		defer func() {
			j.forks.close()
			j.forks = nil
		}()
		r := &choicesRun{job: j, n: n, one: one, items: make(chan choiceItem)}
		r.run(ctx, extra, yield)
	}
}

// inOrder generates one choice after the other.
func (j *job) inOrder(ctx context.Context, n int, one oneChoice, yield func(choicePiece, error) bool) {
	for i := range n {
		for p, err := range one(ctx, i) {
			if !yield(choicePiece{p, i}, err) || err != nil {
				return
			}
		}
	}
}

// choicesRun runs choices at the same time.
type choicesRun struct {
	job   *job
	n     int
	one   oneChoice
	next  atomic.Int64 // choice that nobody has begun
	items chan choiceItem
}

// choiceItem is what a choice yields.
type choiceItem struct {
	choicePiece
	err error
}

// run yields what the choices do that run in the job's place and in extra ones, which it gives back.
func (r *choicesRun) run(parent context.Context, extra int, yield func(choicePiece, error) bool) {
	ctx, cancel := context.WithCancel(parent)
	var running sync.WaitGroup
	running.Go(func() {
		r.work(ctx, func() bool { return true })
		r.job.forks.none()
	})
	for range extra {
		running.Go(func() { r.beside(ctx) })
	}
	ended := make(chan struct{})
	go func() {
		running.Wait()
		close(ended)
	}()
	defer func() {
		cancel()
		<-ended
	}()
	for {
		select {
		case it := <-r.items:
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

// work generates choices until none is left, or one has ended and another is not to begin.
func (r *choicesRun) work(ctx context.Context, another func() bool) {
	for i := -1; ctx.Err() == nil && (i < 0 || another()); {
		if i = int(r.next.Add(1) - 1); i >= r.n {
			return
		}
		for p, err := range r.one(ctx, i) {
			select {
			case r.items <- choiceItem{choicePiece{p, i}, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}
}

// beside generates choices in a place beside the job's, once the prompt has run, and gives the place back: after a choice, if a request waits for it.
func (r *choicesRun) beside(ctx context.Context) {
	places, has := r.job.server.places, true
	defer func() {
		if has {
			places.Release(1)
		}
	}()
	select {
	case <-r.job.forks.made:
	case <-ctx.Done():
	}
	r.work(ctx, func() bool {
		places.Release(1) // the one who waits longest has it now
		has = places.TryAcquire(1)
		return has
	})
}
