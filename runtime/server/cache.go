package server

import (
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

	mu     sync.Mutex
	idle   []idleSequence // used least recently first
	closed bool
}

// idleSequence is a sequence and how many tokens its last prompt had; those after that were generated.
type idleSequence struct {
	*runtime.Sequence
	prompt int
}

// take returns the sequence that shares the most tokens with a prompt, and removes it from the cache; nil if none is worth it.
//
// A sequence that is used for another text loses what follows the shared part. It is taken if it repeats or continues its own last prompt, or
// if it loses no more than it saves: so a new conversation with the same system prompt does not end an older, longer one.
func (c *cache) take(prompt []int32) *runtime.Sequence {
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
	defer c.mu.Unlock()
	if c.closed || q.Len() == 0 {
		q.Close()
		return
	}
	c.idle = append(c.idle, idleSequence{q, min(prompt, q.Len())})
	for len(c.idle) > 0 && c.bytes() > c.limit {
		c.drop()
	}
}

// bytes returns what the sequences take.
func (c *cache) bytes() (n int64) {
	for _, q := range c.idle {
		n += q.KVBytes() + c.logits
	}
	return n
}

func (c *cache) drop() {
	c.idle[0].Close()
	c.idle = slices.Delete(c.idle, 0, 1)
}

// dropOldest gives the memory of the sequence back that was used least recently. It reports whether there was one.
func (c *cache) dropOldest() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.idle) == 0 {
		return false
	}
	c.drop()
	return true
}

// close gives everything back.
func (c *cache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for len(c.idle) > 0 {
		c.drop()
	}
}
