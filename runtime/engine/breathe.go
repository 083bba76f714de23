package engine

import (
	"context"
	"sync/atomic"
)

// limit is the bound of the memory that is in force, which may be below that of the budget.
type limit struct {
	total   atomic.Int64 // 0: that of the budget
	changed atomic.Bool  // and the store has not been told
}

// SetMemory makes the process take less than Options.Memory says, or as much again: experts give their memory back to the system, or take it. total
// is cut to what the model works with, between Budget.Smallest and Budget.Total, and returned. What is computed stays the same to the bit. A pass
// that runs obeys between two layers; SetMemory returns when the memory is given back. Without a bound, and of a dense model, it changes nothing
// and returns 0.
func (e *Engine) SetMemory(ctx context.Context, total int64) (int64, error) {
	b := e.budget
	if b == nil || e.streamed == nil {
		return 0, nil
	}
	total = min(max(total, b.Smallest()), b.Total)
	e.limit.total.Store(total)
	e.limit.changed.Store(true)
	e.mu.Lock() // the pass that runs has obeyed, or there is none
	defer e.mu.Unlock()
	if e.closing.Load() {
		return 0, ErrClosed
	}
	return total, e.breathe(ctx)
}

// Memory returns the bound that is in force; 0: there is none.
func (e *Engine) Memory() int64 {
	if e.budget == nil {
		return 0
	}
	if n := e.limit.total.Load(); n > 0 {
		return n
	}
	return e.budget.Total
}

// breathe gives the experts the memory that is in force. It is called between two layers, or while no pass runs.
func (e *Engine) breathe(ctx context.Context) error {
	if !e.limit.changed.Load() {
		return nil
	}
	e.kvMu.Lock()
	defer e.kvMu.Unlock()
	e.limit.changed.Store(false)
	err := e.resizeStore(ctx, e.forExperts(e.memory.taken[forKV].Load()))
	if err != nil {
		e.limit.changed.Store(true)
	}
	return err
}

// forExperts returns what is left for experts, or feed-forward layers, beside KV caches of so many bytes. Less than what they need it is only if the
// budget has no more: a sequence that grows does not end because others need memory.
func (e *Engine) forExperts(kv int64) int64 {
	b := e.budget
	left := b.Total - b.fixed() - kv
	if n := e.limit.total.Load(); n > 0 {
		left = min(left, max(left-(b.Total-n), b.SmallestExperts+b.SmallestFFN))
	}
	return left
}

// memory returns the memory of the slots that are not given back.
func (s *streamedStore) memory() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(s.usable) * s.slotSize
}
