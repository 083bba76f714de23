package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
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

var errPanicked = errors.New("the function that was given the logits panicked")

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

// step runs one pass for the requests of the leader's extent that fit in it. leader's goroutine is the caller's.
func (e *Engine) step(leader *request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gather()
	x := leader.extent()
	p := e.passFor(x)
	if err := e.lend(leader.ctx, p); err != nil {
		q := &e.queue
		q.Lock()
		defer q.Unlock()
		q.finish(leader, err)
		return
	}
	e.runPass(p, x, leader)
}

func (e *Engine) runPass(p *pass, x extent, leader *request) {
	e.admit(p, x)
	if len(p.segs) == 0 {
		return
	}
	if e.streamed != nil {
		e.streamed.passBegins()
	}
	begin := e.clock.timeline.beginPass()
	err := e.explain(p.run(leader))
	e.clock.timeline.endPass(begin, p.n)
	if err != nil && e.store != nil {
		e.store.abandon()
	}
	if err != nil && e.stream != nil {
		e.stream.abandon()
	}
	e.queue.last = time.Since(begin)
	e.settle(p, err)
}

// interject runs the single tokens that wait, and short requests, between two layers of a pass of longer ones, so that a text goes on while a long
// prompt is run: it changes no bit of either. A prompt gets half of the time at least.
func (e *Engine) interject(p *pass) {
	q := &e.queue
	if p == e.quick || e.parallel == 1 || p.err != nil || p.observer != nil || time.Since(q.interjected) < q.took {
		return
	}
	waits := [long]bool{}
	q.Lock()
	for _, r := range q.waiting {
		if x := r.extent(); x < long && !r.inPass {
			waits[x] = true
		}
	}
	q.Unlock()
	if !waits[single] && !waits[short] {
		return
	}
	begin := time.Now()
	for x := range long {
		if waits[x] {
			e.runPass(e.quick, x, nil)
		}
	}
	q.interjected = time.Now()
	q.took = q.interjected.Sub(begin)
	p.clock.start()
}

// gather waits for the sessions that were in the last pass, a moment at most: their callers draw a token from the logits and come back, and a
// pass of all of them reads the weights once. A caller that does not come back within an eighth of a pass is not waited for again until it did.
func (e *Engine) gather() {
	q := &e.queue
	var timeout <-chan time.Time
	for {
		q.Lock()
		if q.returning == 0 || e.closing.Load() {
			q.Unlock()
			break
		}
		if timeout == nil {
			q.timer.Reset(min(q.last/8, maxGather))
			timeout = q.timer.C
		}
		q.Unlock()
		select {
		case <-q.arrived:
			continue
		case <-timeout:
		}
		q.Lock()
		for s := range e.sessions { // they are not waited for again before they came back
			q.returns(s, false)
		}
		q.Unlock()
		return
	}
	if timeout != nil {
		q.timer.Stop()
	}
}

// maxGather bounds what a pass waits for sessions that are likely to come back.
const maxGather = 2 * time.Millisecond

// admit chooses the requests of the next pass, in the order in which they wait: single tokens, as many as the engine's parallel sequences, or
// batches of longer ones, while they fit in the rows of a pass. How a request is cut into batches does not depend on the others.
func (e *Engine) admit(p *pass, x extent) {
	q := &e.queue
	q.Lock()
	waiting := p.candidates[:0]
	for _, r := range q.waiting {
		if r.extent() == x && !r.inPass {
			r.inPass = true // from now on a caller who is cancelled waits: what is his is being read
			waiting = append(waiting, r)
		}
	}
	q.Unlock()
	p.candidates = waiting
	p.reset()
	rows := 0
	for _, r := range waiting {
		s, n, fits := r.session, min(len(r.tokens), e.batch), false
		if r.draft {
			n = 1
		}
		err := r.ctx.Err()
		if e.closing.Load() {
			err = ErrClosed
		}
		if err == nil {
			if fits = (n > 1 || p.singles < min(p.alone, e.parallel)) && rows+n <= p.rows; fits {
				err = e.reserve(r.ctx, s, s.length+n)
			}
		}
		if err == nil && fits {
			p.admit(r, n)
			rows += n
			continue
		}
		q.Lock()
		r.inPass = false
		if err == nil {
			err = r.ctx.Err() // of a caller who was cancelled meanwhile
		}
		if err != nil {
			q.finish(r, err)
		}
		q.Unlock()
	}
	e.lengthen(p)
	p.place()
}

// settle counts what a pass did, and ends the requests that are finished. Of those that are not the ones that were served go to the end.
func (e *Engine) settle(p *pass, err error) {
	q := &e.queue
	q.Lock()
	defer q.Unlock()
	for i := range p.segs {
		seg := &p.segs[i]
		r, s := seg.request, seg.session
		r.inPass = false
		e.progress(seg, err)
		switch {
		case err != nil:
			q.finish(r, err)
		case seg.err != nil:
			q.finish(r, seg.err)
		case len(r.tokens) == 0:
			q.finish(r, nil)
			q.returns(s, true)
		case r.ctx.Err() != nil:
			q.finish(r, r.ctx.Err())
		default:
			q.waiting = slices.DeleteFunc(q.waiting, func(w *request) bool { return w == r })
			q.waiting = append(q.waiting, r)
		}
	}
}

// progress moves a session on by what a pass ran, or back if it failed.
func (e *Engine) progress(seg *segment, err error) {
	r, s := seg.request, seg.session
	if r.draft {
		e.settleDraft(seg, err)
		return
	}
	if err == nil {
		s.length += seg.n
		r.tokens, r.done = r.tokens[seg.n:], r.done+seg.n
		return
	}
	// A single token overwrites only what it cannot see, so it can be tried again; more may have overwritten what the first of them sees.
	if seg.n > 1 && s.kv.overwritten(s.length) {
		s.length = 0
		s.kv.begin()
	}
}

// shared returns a context for a pass of several requests: it ends when all of theirs have.
func shared(segs []segment) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	left := new(atomic.Int64)
	left.Store(int64(len(segs)))
	stops := make([]func() bool, len(segs))
	for i := range segs {
		stops[i] = context.AfterFunc(segs[i].request.ctx, func() {
			if left.Add(-1) == 0 {
				cancel()
			}
		})
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}
