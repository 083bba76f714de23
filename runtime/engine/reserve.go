package engine

import (
	"context"
	"fmt"
)

// reserve makes room for a sequence of n tokens: it takes the memory from the experts.
func (e *Engine) reserve(ctx context.Context, s *Session, n int) error {
	growth := s.kv.growth(n)
	if growth == 0 {
		return nil
	}
	e.kvMu.Lock()
	defer e.kvMu.Unlock()
	if b := e.budget; b != nil {
		kv := e.memory.taken[forKV].Load() + growth
		left := e.forExperts(kv)
		if least := b.SmallestExperts + b.SmallestFFN; left < least {
			what := "experts"
			if b.SmallestFFN > 0 {
				what = "feed-forward layers"
			}
			return fmt.Errorf("%s: %w: with a KV cache of %d bytes for all sequences, %d bytes are left for %s and %d are needed",
				e.reader.Path(), ErrMemory, kv, max(0, left), what, least)
		}
		if err := e.resizeStore(ctx, left); err != nil {
			return err
		}
	}
	return s.kv.grow(n)
}

// shrinkKV gives back what a sequence of n tokens does not need: to the experts.
func (e *Engine) shrinkKV(s *Session, n int) {
	e.kvMu.Lock()
	defer e.kvMu.Unlock()
	s.kv.shrink(n)
	if b := e.budget; b != nil && !e.closing.Load() {
		if e.limit.total.Load() > 0 || e.limit.share.Load() > 0 { // it may have to shrink, which waits for the end of a layer
			e.limit.changed.Store(true)
			return
		}
		_ = e.resizeStore(context.Background(), e.forExperts(e.memory.taken[forKV].Load())) // it grows, for which it waits for nothing, also while a pass runs
	}
}

func (e *Engine) resizeStore(ctx context.Context, bytes int64) error {
	if e.stream != nil {
		return e.stream.resize(ctx, bytes)
	}
	if e.streamed == nil {
		return nil
	}
	return e.streamed.resize(ctx, bytes)
}
