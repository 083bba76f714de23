package engine

import (
	"context"
	"slices"
	"sync/atomic"
	"time"
)

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
	err := errPanicked
	defer func() { e.endPass(p, begin, err) }() // also when it panics: the other requests must end
	err = e.explain(p.run(leader))
}

func (e *Engine) endPass(p *pass, begin time.Time, err error) {
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

// interject runs the single tokens that wait, and short requests, between two layers of a pass of longer ones, or before a layer's networks, so that a text
// goes on while a long prompt is run: it changes no bit of either. A prompt gets half of the time at least.
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

// untilAllEnd returns a context for a pass of several requests: it ends when all of theirs have.
func untilAllEnd(segs []segment) (context.Context, func()) {
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
