package server

import (
	"context"
	"slices"
	"sync"

	"st/runtime"
)

// cacheShare is the part of a model's memory, one by so many, that sequences may take which wait for a request that continues them.
const cacheShare = 4

// cache keeps the sequences of requests that have ended, for requests that continue them.
type cache struct {
	limit  int64      // bytes
	logits int64      // bytes that a sequence takes besides its KV cache
	disk   *diskCache // has those that were dropped; nil: nothing has

	mu      sync.Mutex
	idle    []idleSequence // used least recently first
	closed  bool
	writes  []idleSequence // that are to be written to disk: the first one is being written
	written chan struct{}  // is closed when that is done
}

// idleSequence is a sequence and how many tokens its last prompt had, as [runtime.Model.Lasting] counts them; those after that are of no use to another.
type idleSequence struct {
	*runtime.Sequence
	prompt int
}

// take returns the sequence that shares the most tokens with a prompt, and removes it from the cache; nil if none is worth it. One on disk is taken
// if it shares more.
func (c *cache) take(ctx context.Context, prompt []int32) *runtime.Sequence {
	q := c.takeIdle(prompt)
	if c.disk == nil {
		return q.Sequence
	}
	have := 0
	if q.Sequence != nil {
		have = q.Shared(prompt)
	}
	better := c.disk.take(ctx, prompt, have)
	if better == nil {
		return q.Sequence
	}
	if q.Sequence != nil {
		c.put(q.Sequence, q.prompt)
	}
	return better
}

// takeIdle is take from memory; what it returns has no sequence if there is none.
//
// A sequence that is used for another text loses what follows the tokens in common. It is taken if it repeats or continues its own last prompt, or
// if it loses no more than it saves: so a new conversation with the same system prompt does not end an older, longer one.
func (c *cache) takeIdle(prompt []int32) (q idleSequence) {
	c.mu.Lock()
	defer c.mu.Unlock()
	best, most := -1, 0
	for i, q := range c.idle {
		common := q.Shared(prompt)
		worth := common >= q.prompt-1 || common >= q.Len()-common
		// Of equal ones the one that loses the least.
		if worth && (common > most || common > 0 && common == most && q.Len() < c.idle[best].Len()) {
			best, most = i, common
		}
	}
	if best < 0 {
		return q
	}
	q = c.idle[best]
	c.idle = slices.Delete(c.idle, best, best+1)
	return q
}

// put keeps a sequence whose last prompt had so many tokens. Those used least recently make room for it.
func (c *cache) put(q *runtime.Sequence, prompt int) {
	c.mu.Lock()
	closed := c.closed
	if !closed && q.Len() > 0 {
		c.idle = append(c.idle, idleSequence{q, min(prompt, q.Len())})
		q = nil
	}
	dropped := c.trim()
	c.mu.Unlock()
	if q != nil {
		q.Close()
	}
	for _, d := range dropped {
		d.Close()
	}
}

// bound changes the limit, and drops sequences until the others keep to it.
func (c *cache) bound(limit int64) {
	c.mu.Lock()
	c.limit = limit
	dropped := c.trim()
	c.mu.Unlock()
	for _, d := range dropped {
		d.Close()
	}
}

// trim takes the sequences used least recently out until the others keep to the limit, and returns those that are to be closed.
func (c *cache) trim() (dropped []idleSequence) {
	for len(c.idle) > 0 && c.bytes() > c.limit {
		if d := c.oldest(); !c.save(d) {
			dropped = append(dropped, d)
		}
	}
	return dropped
}

// bytes returns what the sequences take.
func (c *cache) bytes() (n int64) {
	for _, q := range c.idle {
		n += q.KVBytes() + c.logits
	}
	return n
}

// oldest takes the sequence out that was used least recently.
func (c *cache) oldest() idleSequence {
	q := c.idle[0]
	c.idle = slices.Delete(c.idle, 0, 1)
	return q
}

// mostWrites is how many sequences may wait to be written, the one that is being written included: they take memory until then.
const mostWrites = 4

// save has a sequence that was dropped written to disk, in the background, and its memory given back then. It reports whether: a sequence may not be
// worth it, and too many may wait for that already. The caller holds c.mu, and closes a sequence that is not written.
func (c *cache) save(q idleSequence) bool {
	if c.disk == nil || !c.closed && len(c.writes) >= mostWrites || !c.disk.wants(q.Tokens()) {
		return false
	}
	if c.writes = append(c.writes, q); len(c.writes) == 1 {
		c.written = make(chan struct{})
		go c.write()
	}
	return true
}

// write writes sequences until there are no more.
func (c *cache) write() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.writes) > 0 {
		q := c.writes[0]
		c.mu.Unlock()
		c.disk.put(q)
		q.Close()
		c.mu.Lock()
		c.writes = c.writes[1:]
		close(c.written)
		c.written = make(chan struct{})
	}
}

// relieve gives memory back that a request needs: that of the sequence which was used least recently. If it is to be written, or another is, relieve waits
// for that, until ctx ends. It reports whether there was one.
func (c *cache) relieve(ctx context.Context) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case len(c.idle) > 0:
		if q := c.oldest(); !c.save(q) {
			q.Close()
			return true
		}
	case len(c.writes) == 0:
		return false
	}
	c.wait(ctx)
	return ctx.Err() == nil
}

// wait waits until a sequence is written, or ctx ends.
func (c *cache) wait(ctx context.Context) {
	written := c.written
	c.mu.Unlock()
	select {
	case <-written:
	case <-ctx.Done():
	}
	c.mu.Lock()
}

// close gives everything back, once it is written. What is not when ctx ends is dropped.
func (c *cache) close(ctx context.Context) {
	if c.disk != nil {
		defer c.disk.until(ctx)()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for len(c.idle) > 0 {
		if q := c.oldest(); !c.save(q) {
			q.Close()
		}
	}
	for len(c.writes) > 0 {
		c.wait(context.Background())
	}
}
