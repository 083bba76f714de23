package server

import (
	"context"
	"iter"
	"net/http"
	"sync"
	"time"

	"st/runtime"
)

// queue counts the requests that run or wait for a place.
type queue struct {
	limit int64

	mu     sync.Mutex
	n      int64
	closed bool
}

// retryAfter is when a client that was refused may try again.
const retryAfter = 1 * time.Second

// enter takes a place in the queue; leave gives it back.
func (q *queue) enter() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return ErrClosed
	case q.n >= q.limit:
		return &Error{Status: http.StatusTooManyRequests, Code: "queue_full", Message: "too many requests are waiting: try again later",
			RetryAfter: retryAfter}
	}
	q.n++
	return nil
}

func (q *queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.n--
}

// active returns how many run or wait.
func (q *queue) active() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.n
}

// ended reports whether all that come are refused.
func (q *queue) ended() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// close refuses all that come from now on.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

// job is a request that has its place and its model. One goroutine uses it.
type job struct {
	server    *Server
	name      string // of the model
	model     *runtime.Model
	keepAlive time.Duration
	queueTime time.Duration // that it waited for its place
	loadTime  time.Duration // that it waited for its model
	ended     bool          // it has given place and model back
	fresh     bool          // prompts are run from their beginning, whatever is cached

	served *served
	cache  *cache
	forks  *forks // nil: no choices run at the same time
}

// begin waits for a place among the requests that run, and for the model of that name. The request is in the queue: see [Server.queued]. keepAlive is
// how long the model stays loaded; nil: as the server's options say.
func (s *Server) begin(ctx context.Context, model string, keepAlive *time.Duration) (_ *job, err error) {
	sv, err := s.models.find(model)
	if err != nil {
		return nil, err
	}
	serving(ctx, sv)
	j := &job{server: s, served: sv, name: sv.Name, keepAlive: s.opts.KeepAlive}
	if keepAlive != nil {
		j.keepAlive = *keepAlive
	}
	begin := time.Now()
	s.waiting.Add(1)
	err = s.places.Acquire(ctx, 1)
	s.waiting.Add(-1)
	if err != nil {
		return nil, context.Cause(ctx)
	}
	j.queueTime = time.Since(begin)
	s.meters.waiting.Update(j.queueTime.Seconds())
	begin = time.Now()
	loaded, err := s.models.acquire(ctx, sv)
	if err != nil {
		s.places.Release(1)
		return nil, err
	}
	if loaded {
		j.loadTime = time.Since(begin)
	}
	j.model, j.cache = sv.model, sv.cache
	return j, nil
}

// end gives place and model back, and waits for nothing. What calls it before the answer is written, so that a slow client does not hold them, may call it
// again.
func (j *job) end() {
	if j.ended {
		return
	}
	j.ended = true
	j.model, j.cache = nil, nil // nothing holds what the model has on Go's heap when it is unloaded
	j.server.places.Release(1)
	j.server.models.release(j.served, j.keepAlive)
}

// generate continues a prompt: see [runtime.Sequence.Generate]. What an earlier request left of it in the cache is not run again.
func (j *job) generate(ctx context.Context, prompt []int32, g runtime.Generate) iter.Seq2[runtime.Piece, error] {
	if g.Lookup == runtime.LookupAuto {
		g.Lookup = j.server.opts.Lookup
	}
	return func(yield func(runtime.Piece, error) bool) {
		if err := checkBias(g.LogitBias, j.model); err != nil {
			yield(runtime.Piece{Token: -1}, err)
			return
		}
		if limit := j.model.Context(); len(prompt) > limit {
			yield(runtime.Piece{Token: -1}, promptTooLong(len(prompt), limit))
			return
		}
		// What scores a prompt runs all of it, and nobody goes on from that: it leaves the cache as it is.
		q := j.forks.take()
		copied := q != nil
		if q == nil && !g.PromptLogProbs && !j.fresh {
			q = j.cache.take(ctx, prompt)
		}
		if q == nil {
			var err error
			if q, err = j.model.NewSequence(); err != nil {
				yield(runtime.Piece{Token: -1}, err)
				return
			}
		}
		switch {
		case copied:
			defer j.forks.put(q)
		case g.PromptLogProbs:
			defer q.Close()
		default:
			defer func() { j.cache.put(q, j.model.Lasting(prompt)) }()
		}
		var last time.Time // when the last token came
		for piece, err := range q.Generate(ctx, prompt, g) {
			j.forks.make(ctx, q)
			if piece.Done == nil && err == nil && !piece.Prompt {
				now := time.Now()
				if !last.IsZero() {
					j.server.meters.perToken.Update(now.Sub(last).Seconds())
				}
				last = now
			}
			if err != nil && ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			if d := piece.Done; d != nil {
				j.server.meters.text(d, j.queueTime+j.loadTime)
				loggedText(ctx, d)
			}
			if !yield(piece, err) {
				return
			}
		}
	}
}
