package engine

import (
	"context"
	"fmt"
	"slices"

	"st/format"
)

// Session is one sequence of tokens: it owns the KV cache of what it has run, and nothing else that is large. Any number of sessions share an
// engine. A session's own calls run one after the other; those of different sessions run together, in passes that read the weights once.
type Session struct {
	engine *Engine
	turn   chan struct{} // held by the call that runs
	kv     *kvCache
	length int
	long   bool      // all positions are rotated as LongRoPE rotates those of long sequences
	expect int       // tokens that the sequence is about to have
	tokens []int32   // of the sequence, where that may change
	logits []float32 // [vocab] of the last Forward
	peaks  []float32 // [vocab/kernel.PeakRun, rounded up] of logits
	peaked bool      // peaks are there
	closed bool
	sparse bool // logits are those of the rows of the head that are predicted

	both      bool      // ForwardAll has those, too
	predicted []float32 // which are here while its function is called

	request   request
	returning bool // it was in the last pass and is likely to be in the next
}

// NewSession returns an empty sequence. Close it after use: its memory goes back to the other sessions and to the experts.
func (e *Engine) NewSession() (*Session, error) {
	s := &Session{engine: e, turn: make(chan struct{}, 1), kv: newKVCache(e.kv, &e.memory)}
	s.request = request{session: s, wake: make(chan struct{}, 1), calls: make(chan logitsCall), back: make(chan error)}
	e.queue.Lock()
	defer e.queue.Unlock()
	if e.closing.Load() {
		return nil, ErrClosed
	}
	e.sessions[s] = true
	return s, nil
}

// Forward appends tokens to the sequence and returns the logits [vocab] that predict the next one. The slice is valid until the session's next
// call. When ctx is cancelled it stops between two layers, or waiting for an expert. After an error Len tells how many tokens are in the
// sequence: those before the call and whole batches of the call's, or none at all if a sliding window lost some that are needed.
func (s *Session) Forward(ctx context.Context, tokens []int32) ([]float32, error) {
	if err := s.run(ctx, tokens, nil); err != nil {
		return nil, err
	}
	return s.logits, nil
}

// Peaks returns the largest of every [kernel.PeakRun] logits, as [kernel.Peaks] does, if they are those that the last Forward returned and it computed all
// of them; else nil. The threads find them while they compute the logits. The slice is valid until the session's next call.
func (s *Session) Peaks(logits []float32) []float32 {
	if !s.peaked || len(logits) == 0 || len(logits) != len(s.logits) || &logits[0] != &s.logits[0] {
		return nil
	}
	return s.peaks
}

// ForwardAll is Forward with the logits of every token: each is called with i counting tokens from 0, in order, on the caller's goroutine,
// and may use the logits until it returns. Its error ends the call.
func (s *Session) ForwardAll(ctx context.Context, tokens []int32, each func(i int, logits []float32) error) error {
	return s.run(ctx, tokens, each)
}

func (s *Session) run(ctx context.Context, tokens []int32, each func(i int, logits []float32) error) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.turn }()
	if s.closed {
		return ErrClosed
	}
	if err := s.check(tokens); err != nil {
		return err
	}
	if err := s.rerotate(ctx, len(tokens)); err != nil {
		return err
	}
	return s.append(ctx, tokens, each)
}

// append runs tokens that follow the sequence.
func (s *Session) append(ctx context.Context, tokens []int32, each func(i int, logits []float32) error) error {
	if each == nil && s.logits == nil {
		s.logits = make([]float32, s.engine.config.Vocab)
		s.peaks = make([]float32, peakRuns(s.engine.config.Vocab))
	}
	s.peaked = false
	before := s.length
	s.kv.settleUndo()
	r := &s.request
	r.ctx, r.tokens, r.each, r.done, r.err, r.finished = ctx, tokens, each, 0, nil, false
	err := s.engine.run(r)
	r.ctx, r.tokens, r.each = nil, nil, nil
	if scaling := s.engine.config.RoPEScaling; scaling != nil && scaling.Type == format.LongRoPE {
		if s.length < before { // a sliding window lost some
			before = s.length
		}
		s.tokens = append(s.tokens[:before], tokens[:s.length-before]...)
	}
	return err
}

// rerotate runs the sequence again if it becomes long with n more tokens, or is short again since it was truncated: LongRoPE rotates all positions
// of a sequence by the same factors, those in the KV cache too, and what later layers hold of them depends on it. So does Transformers.
func (s *Session) rerotate(ctx context.Context, n int) error {
	long := isLong(s.engine.config, max(s.length+n, s.expect))
	if long == s.long {
		return nil
	}
	s.long = long
	if s.length == 0 {
		return nil
	}
	tokens := slices.Clone(s.tokens[:s.length])
	s.length = 0
	s.kv.begin()
	return s.append(ctx, tokens, nil)
}

func (s *Session) check(tokens []int32) error {
	switch {
	case len(tokens) == 0:
		return fmt.Errorf("%s: there are no tokens to run", s.engine.reader.Path())
	case len(tokens) > s.engine.context-s.length:
		return fmt.Errorf("%w: %d tokens and %d more do not fit in %d", ErrContextFull, s.length, len(tokens), s.engine.context)
	}
	for i, id := range tokens {
		if id < 0 || int(id) >= s.engine.config.Vocab {
			return fmt.Errorf("token %d of the input is %d: %w: its ids are 0 to %d", i, id, ErrToken, s.engine.config.Vocab-1)
		}
	}
	return nil
}

// Expect tells that calls to come bring the sequence to n tokens. It matters where LongRoPE rotates long sequences otherwise than short ones: a
// prompt that is run in parts is not run again when it becomes long, and its first parts have the logits that the whole has.
func (s *Session) Expect(n int) {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	s.expect = n
}

// Fork returns a new sequence with the same tokens and a copy of their KV cache. Close it after use.
func (s *Session) Fork(ctx context.Context) (*Session, error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.turn }()
	if s.closed {
		return nil, ErrClosed
	}
	e := s.engine
	f, err := e.NewSession()
	if err != nil {
		return nil, err
	}
	e.mu.Lock() // between two passes: the memory may come from the experts
	if e.closing.Load() {
		err = ErrClosed
	} else if err = e.reserve(ctx, f, s.length); err == nil {
		f.kv.copy(s.kv)
		f.length, f.long, f.expect, f.tokens = s.length, s.long, s.expect, slices.Clone(s.tokens)
	}
	e.mu.Unlock()
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Len returns the number of tokens in the sequence.
func (s *Session) Len() int {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	return s.length
}

// Truncate forgets tokens until at most n are left, gives their memory back, and returns how many are left: n, or none if a sliding window has
// overwritten positions that the first n need.
func (s *Session) Truncate(n int) (kept int) {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	if n = max(0, n); n < s.length {
		switch {
		case s.kv.undoes(n):
			s.kv.restore(n)
		case s.kv.overwritten(n):
			n = 0
		}
		if n == 0 {
			s.kv.begin()
		}
		s.length, s.expect = n, 0
		s.engine.shrinkKV(s, n)
	}
	return s.length
}

// Keeps returns what Truncate would, without forgetting anything.
func (s *Session) Keeps(n int) int {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	if n = max(0, n); n < s.length && !s.kv.undoes(n) && s.kv.overwritten(n) {
		return 0
	}
	return min(n, s.length)
}

// KVBytes returns the memory that the session's KV cache takes.
func (s *Session) KVBytes() int64 {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	return s.kv.bytes
}

// Close gives the session's memory back at once. A call that runs ends first; later ones return [ErrClosed]. Closing twice does nothing.
func (s *Session) Close() error {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	if s.closed {
		return nil
	}
	s.closed, s.length = true, 0
	s.engine.forget(s)
	return nil
}
