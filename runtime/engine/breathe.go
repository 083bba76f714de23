package engine

import (
	"context"
	"sync/atomic"
)

// limit is the bound of the memory that is in force, which may be below that of the budget.
type limit struct {
	share   atomic.Int64 // what the model may take at most, sequences that grow included; 0: the budget
	total   atomic.Int64 // what it takes; 0: all of its share
	changed atomic.Bool  // and the store has not been told
}

// most returns what the model may take.
func (e *Engine) most() int64 {
	if n := e.limit.share.Load(); n > 0 {
		return n
	}
	return e.budget.Total
}

// SetShare makes total the bound in place of Options.Memory, from Budget.SmallestShare to Budget.Total, and returns what it is then: more than total if
// the KV caches of sequences hold more. Unlike what [Engine.SetMemory] names it holds for sequences that grow, too. It returns when the memory is given
// back, which waits for a pass that runs. A dense model gives back what its sequences do not hold, and feed-forward layers if they do not all stay in
// memory. Without a bound it changes nothing and returns 0.
func (e *Engine) SetShare(ctx context.Context, total int64) (int64, error) {
	b := e.budget
	if b == nil {
		return 0, nil
	}
	e.kvMu.Lock()
	total = min(max(total, b.SmallestShare(), b.smallestWith(e.memory.taken[forKV].Load())), b.Total)
	e.limit.share.Store(total)
	if e.limit.total.Load() > total {
		e.limit.total.Store(total)
	}
	e.limit.changed.Store(true)
	e.kvMu.Unlock()
	return total, e.obey(ctx)
}

// SetMemory makes the process take less than Options.Memory says, or as much again: experts give their memory back to the system, or take it. total
// is cut to what the model works with, from [Engine.LeastMemory] to Budget.Total or what [Engine.SetShare] named, and returned. What is computed stays
// the same to the bit. A pass that runs obeys between two layers; SetMemory returns when the memory is given back. Without a bound, and of a dense
// model, it changes nothing and returns 0.
func (e *Engine) SetMemory(ctx context.Context, total int64) (int64, error) {
	b := e.budget
	if b == nil || e.streamed == nil {
		return 0, nil
	}
	total = min(max(total, e.LeastMemory()), e.most())
	e.limit.total.Store(total)
	e.limit.changed.Store(true)
	return total, e.obey(ctx)
}

// LeastMemory returns the least that [Engine.SetMemory] makes the process take: what it needs beside the KV caches that there are, and those of
// Budget.SmallestShare at least. Those that grow take their memory from the model's share. 0: there is no bound.
func (e *Engine) LeastMemory() int64 {
	b := e.budget
	if b == nil {
		return 0
	}
	return max(b.SmallestShare(), b.smallestWith(e.memory.taken[forKV].Load()))
}

// LimitMemory is [Engine.SetMemory] for a caller that cannot wait for a long pass, because what other programs need changes meanwhile: a pass that runs obeys
// between two layers. While none runs it gives the memory back itself, which waits for reads into it until ctx is cancelled: a disk may stall. It reports
// whether the bound is in force already. If it is not, LimitMemory is to be called again: the pass may have been at its end.
func (e *Engine) LimitMemory(ctx context.Context, total int64) (bound int64, obeyed bool) {
	b := e.budget
	if b == nil || e.streamed == nil {
		return 0, true
	}
	total = min(max(total, e.LeastMemory()), e.most())
	if e.limit.total.Swap(total) != total {
		e.limit.changed.Store(true)
	}
	changed := e.limit.changed.Load()
	if changed {
		if !e.mu.TryLock() {
			return total, false
		}
		defer e.mu.Unlock()
	}
	if !e.kvMu.TryLock() { // memory may be on its way back: who holds it was told of the bound, and has not obeyed yet
		return total, false
	}
	defer e.kvMu.Unlock()
	switch {
	case e.closing.Load():
		return total, true
	case changed:
		return total, e.obeyHeld(ctx) == nil
	}
	return total, !e.limit.changed.Load()
}

// obey returns when the bound that is in force is.
func (e *Engine) obey(ctx context.Context) error {
	e.mu.Lock() // the pass that runs has obeyed, or there is none
	defer e.mu.Unlock()
	if e.closing.Load() {
		return ErrClosed
	}
	return e.breathe(ctx)
}

// Memory returns the bound that is in force; 0: there is none.
func (e *Engine) Memory() int64 {
	if e.budget == nil {
		return 0
	}
	if n := e.limit.total.Load(); n > 0 {
		return n
	}
	return e.most()
}

// Share returns what the model may take, sequences that grow included, however much other programs need now; 0: there is no bound.
func (e *Engine) Share() int64 {
	if e.budget == nil {
		return 0
	}
	return e.most()
}

// breathe gives the experts the memory that is in force. It is called between two layers, or while no pass runs.
func (e *Engine) breathe(ctx context.Context) error {
	if !e.limit.changed.Load() {
		return nil
	}
	e.kvMu.Lock()
	defer e.kvMu.Unlock()
	return e.obeyHeld(ctx)
}

// obeyHeld is breathe while kvMu is held, after a change.
func (e *Engine) obeyHeld(ctx context.Context) error {
	e.limit.changed.Store(false)
	err := e.resizeStore(ctx, e.forExperts(e.memory.taken[forKV].Load()))
	if err != nil {
		e.limit.changed.Store(true)
	}
	return err
}

// forExperts returns what is left for experts, or feed-forward layers, beside KV caches of so many bytes. Less than what they need it is only if the
// share has no more: a sequence that grows does not end because other programs need memory.
func (e *Engine) forExperts(kv int64) int64 {
	b, most := e.budget, e.most()
	left := most - b.fixedIn(most) - kv
	if n := e.limit.total.Load(); n > 0 {
		left = min(left, max(left-(most-n), b.SmallestExperts+b.SmallestFFN))
	}
	return left
}
