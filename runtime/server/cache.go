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
	limit  int64 // bytes
	logits int64 // bytes that a sequence takes besides its KV cache
	kept   *kept // has those that were dropped; nil: nothing has

	mu     sync.Mutex
	idle   []idleSequence // used least recently first
	closed bool
}

// idleSequence is a sequence and how many tokens its last prompt had; those after that were generated.
type idleSequence struct {
	*runtime.Sequence
	prompt int
}

// take returns the sequence that shares the most tokens with a prompt, and removes it from the cache; nil if none is worth it. One on disk is taken
// if it shares more.
func (c *cache) take(ctx context.Context, prompt []int32) *runtime.Sequence {
	q := c.takeIdle(prompt)
	if c.kept == nil {
		return q
	}
	have := 0
	if q != nil {
		have = q.Shared(prompt)
	}
	better := c.kept.take(ctx, prompt, have)
	if better == nil {
		return q
	}
	if q != nil {
		c.put(q, q.Len())
	}
	return better
}

// takeIdle is take from memory.
//
// A sequence that is used for another text loses what follows the shared part. It is taken if it repeats or continues its own last prompt, or
// if it loses no more than it saves: so a new conversation with the same system prompt does not end an older, longer one.
func (c *cache) takeIdle(prompt []int32) *runtime.Sequence {
	c.mu.Lock()
	defer c.mu.Unlock()
	best, most := -1, 0
	for i, q := range c.idle {
		shared := q.Shared(prompt)
		worth := shared >= q.prompt-1 || shared >= q.Len()-shared
		// Of equal ones the one that loses the least.
		if worth && (shared > most || shared > 0 && shared == most && q.Len() < c.idle[best].Len()) {
			best, most = i, shared
		}
	}
	if best < 0 {
		return nil
	}
	q := c.idle[best]
	c.idle = slices.Delete(c.idle, best, best+1)
	return q.Sequence
}

// put keeps a sequence whose last prompt had so many tokens. Those used least recently make room for it.
func (c *cache) put(q *runtime.Sequence, prompt int) {
	c.mu.Lock()
	closed := c.closed
	if !closed && q.Len() > 0 {
		c.idle = append(c.idle, idleSequence{q, min(prompt, q.Len())})
		q = nil
	}
	var dropped []*runtime.Sequence
	for len(c.idle) > 0 && c.bytes() > c.limit {
		dropped = append(dropped, c.oldest())
	}
	c.mu.Unlock()
	if q != nil {
		q.Close()
	}
	for _, q := range dropped {
		c.drop(q)
	}
}

// bytes returns what the sequences take.
func (c *cache) bytes() (n int64) {
	for _, q := range c.idle {
		n += q.KVBytes() + c.logits
	}
	return n
}

// oldest takes the sequence out that was used least recently.
func (c *cache) oldest() *runtime.Sequence {
	q := c.idle[0].Sequence
	c.idle = slices.Delete(c.idle, 0, 1)
	return q
}

// drop gives a sequence's memory back. It may be kept on disk.
func (c *cache) drop(q *runtime.Sequence) {
	if c.kept != nil {
		c.kept.put(q)
	}
	q.Close()
}

// dropOldest gives the memory of the sequence back that was used least recently. It reports whether there was one.
func (c *cache) dropOldest() bool {
	c.mu.Lock()
	if len(c.idle) == 0 {
		c.mu.Unlock()
		return false
	}
	q := c.oldest()
	c.mu.Unlock()
	c.drop(q)
	return true
}

// close gives everything back.
func (c *cache) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	for c.dropOldest() {
	}
}
