package lru

import (
	"context"
	"slices"
	"sync"
)

// Key identifies what a value is made of: a SHA-256 for example.
type Key [32]byte

// Cache keeps values by their keys. Any number of goroutines may use one.
type Cache[V any] struct {
	gate  chan struct{} // has an element for each value that is being made
	limit int
	size  func(V) int

	mu     sync.Mutex
	values []entry[V] // the one used last comes last
}

type entry[V any] struct {
	key   Key
	value V
}

// New returns a cache whose values take limit bytes at most, as size has it. atOnce is how many are made at the same time. size is called
// whenever a value is added or found, so values may grow; it must be safe for concurrent use with what uses the values.
func New[V any](atOnce, limit int, size func(V) int) *Cache[V] {
	return &Cache[V]{gate: make(chan struct{}, atOnce), limit: limit, size: size}
}

// Get returns the value of a key. One that is not there is made, when the values that came before are. The error is that of make, or the cause of the
// end of ctx while it waits. An error is not kept.
func (c *Cache[V]) Get(ctx context.Context, key Key, make func() (V, error)) (value V, err error) {
	if v, ok := c.find(key); ok {
		return v, nil
	}
	if ctx.Err() != nil {
		return value, context.Cause(ctx)
	}
	select {
	case c.gate <- struct{}{}:
	case <-ctx.Done():
		return value, context.Cause(ctx)
	}
	defer func() { <-c.gate }()
	if v, ok := c.find(key); ok { // another made it meanwhile
		return v, nil
	}
	if value, err = make(); err != nil {
		return value, err
	}
	c.add(key, value)
	return value, nil
}

// Len returns the number of values.
func (c *Cache[V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.values)
}

func (c *Cache[V]) find(key Key) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.values, func(e entry[V]) bool { return e.key == key })
	if i < 0 {
		return value, false
	}
	e := c.values[i]
	c.values = append(slices.Delete(c.values, i, i+1), e)
	c.trim()
	return e.value, true
}

// add keeps a value.
func (c *Cache[V]) add(key Key, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.values = slices.DeleteFunc(c.values, func(e entry[V]) bool { return e.key == key })
	c.values = append(c.values, entry[V]{key, value})
	c.trim()
}

// trim drops the values used least recently until the others keep to the limit. One that has no room alone is not kept.
func (c *Cache[V]) trim() {
	total := 0
	for i := len(c.values) - 1; i >= 0; i-- {
		if total += c.size(c.values[i].value); total > c.limit {
			c.values = slices.Delete(c.values, 0, i+1)
			return
		}
	}
}
