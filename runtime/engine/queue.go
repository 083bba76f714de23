package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// request is a call of Forward or ForwardAll that waits for its passes.
type request struct {
	session  *Session
	ctx      context.Context
	tokens   []int32 // left to run
	each     func(i int, logits []float32) error
	done     int  // tokens that were run
	draft    bool // tokens after the first are a guess: see Session.Verify
	computed int  // of a draft: tokens that went through the layers

	err      error
	finished bool
	inPass   bool          // or being chosen for one: its caller waits, also when cancelled
	wake     chan struct{} // the request is finished, or its caller is to lead
	calls    chan logitsCall
	back     chan error
}

// logitsCall asks a request's own goroutine to call each: what a caller's function does happens on the caller's goroutine.
type logitsCall struct {
	i      int
	logits []float32
}

// queue holds the requests of all sessions. There is no thread that serves them: the goroutine of one waiting call leads, which means that it
// runs passes for all of them until its own request is finished, and then another one does. So a single sequence costs no switch between
// goroutines, and those that come together share passes.
type queue struct {
	sync.Mutex
	waiting   []*request    // in the order in which they are served next
	leader    *request      // nil: none
	returning int           // sessions that are likely to be in the next pass
	arrived   chan struct{} // a request or a Close came
	timer     *time.Timer
	last      time.Duration // what the last pass took

	// Of the leader: when single tokens last came between two layers of longer segments, and how long that took.
	interjected time.Time
	took        time.Duration
}

// extent is how much a request has left to run. A pass is of requests of one extent.
type extent int

const (
	single extent = iota // a token
	short                // the tokens that a grammar forces, the next turn of a chat
	long
)

// shortTokens is the most tokens of a short request.
const shortTokens = 16

func (r *request) extent() extent {
	switch n := len(r.tokens); {
	case n == 1 || r.draft:
		return single
	case n <= shortTokens:
		return short
	}
	return long
}

// run takes part in passes until r is finished.
func (e *Engine) run(r *request) error {
	q := &e.queue
	q.Lock()
	if e.closing.Load() {
		q.Unlock()
		return ErrClosed
	}
	q.waiting = append(q.waiting, r)
	q.returns(r.session, false)
	follows := q.leader != nil
	if follows {
		q.signal()
	} else {
		q.leader = r
	}
	q.Unlock()
	defer e.handOver(r) // also when a caller's function panics: others must go on
	if follows && e.follow(r) {
		return r.err
	}
	for !r.finished {
		e.step(r)
	}
	return r.err
}

// returns notes whether a session is likely to be in the next pass. The queue is locked.
func (q *queue) returns(s *Session, likely bool) {
	if s.returning != likely {
		s.returning = likely
		if likely {
			q.returning++
		} else {
			q.returning--
		}
	}
}

func (q *queue) signal() {
	select {
	case q.arrived <- struct{}{}:
	default:
	}
}

// follow waits until r is finished, which it reports, or is to lead.
func (e *Engine) follow(r *request) (finished bool) {
	q, done := &e.queue, r.ctx.Done()
	for {
		select {
		case c := <-r.calls:
			r.answer(c)
		case <-r.wake:
			q.Lock()
			defer q.Unlock()
			return r.finished
		case <-done:
			// In a pass it waits for the end: its cache is being written.
			done = nil
			q.Lock()
			if !r.inPass && !r.finished {
				q.finish(r, r.ctx.Err())
			}
			q.Unlock()
		}
	}
}

// answer calls the caller's function. If that panics, the one who leads must not wait for ever.
func (r *request) answer(c logitsCall) {
	err := errPanicked
	defer func() { r.back <- err }()
	err = r.each(c.i, c.logits)
}

// errPanicked ends the requests of a pass in which something panicked that is not the engine's: a function that was given logits, an observer, a trace.
var errPanicked = errors.New("a function that was called in this pass panicked")

// finish ends a request. The queue is locked.
func (q *queue) finish(r *request, err error) {
	if r.finished {
		return
	}
	q.waiting = slices.DeleteFunc(q.waiting, func(w *request) bool { return w == r })
	r.finished, r.err = true, err
	r.rouse()
}

// rouse wakes the request's goroutine.
func (r *request) rouse() {
	select {
	case r.wake <- struct{}{}:
	default: // it has been woken
	}
}

// handOver ends r's part in the passes. If it led, the goroutine of another request leads from now on.
func (e *Engine) handOver(r *request) {
	q := &e.queue
	q.Lock()
	defer q.Unlock()
	for r.inPass { // its function panicked while another goroutine leads, which is not done with its session
		q.Unlock()
		<-r.wake
		q.Lock()
	}
	q.finish(r, errPanicked) // if it is not finished
	select {                 // nobody waits to be woken
	case <-r.wake:
	default:
	}
	if q.leader != r {
		return
	}
	q.leader = nil
	if len(q.waiting) == 0 {
		if e.streamed != nil {
			e.streamed.passEnded()
		}
		return
	}
	// The longest: others need not wait for it, but their callers would if they led.
	q.leader = slices.MaxFunc(q.waiting, func(a, b *request) int { return int(a.extent() - b.extent()) })
	q.leader.rouse()
}
