package engine

import (
	"context"
	"fmt"
	"io"

	"st/format"
)

// Save writes the KV cache: a byte that is 1 if LongRoPE has rotated it as it rotates long sequences, and by layer, KV head and run of positions
// the keys and then the values, of the positions that later tokens can still see.
// What is written does not depend on Options.Context. It returns how many tokens it is of.
func (s *Session) Save(w io.Writer) (tokens int, err error) {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	if s.closed || s.engine.closing.Load() {
		return 0, ErrClosed
	}
	var long [1]byte
	if s.long {
		long[0] = 1
	}
	if _, err := w.Write(long[:]); err != nil {
		return 0, err
	}
	return s.length, s.kv.eachRun(s.length, func(rows []byte) error {
		_, err := w.Write(rows)
		return err
	})
}

// Load replaces the sequence by one whose KV cache is read: what Save wrote in an engine of the same model and type of KV cache. The tokens are the
// caller's word. After an error the sequence is empty.
func (s *Session) Load(ctx context.Context, tokens []int32, r io.Reader) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.turn }()
	if s.closed {
		return ErrClosed
	}
	s.length, s.expect, s.tokens = 0, 0, nil
	s.kv.begin()
	s.kv.settleUndo()
	if err := s.check(tokens); err != nil {
		return err
	}
	s.engine.shrinkKV(s, 0)
	e, err := s.engine, ErrClosed
	e.mu.Lock() // between two passes: the memory may come from the experts
	if !e.closing.Load() {
		err = e.reserve(ctx, s, len(tokens))
	}
	e.mu.Unlock()
	if err != nil {
		return err
	}
	var long [1]byte
	_, err = io.ReadFull(r, long[:])
	if err == nil {
		err = s.kv.eachRun(len(tokens), func(rows []byte) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			_, err := io.ReadFull(r, rows)
			return err
		})
	}
	scaling := s.engine.config.RoPEScaling
	rotated := scaling != nil && scaling.Type == format.LongRoPE // as the byte tells
	if err == nil && (long[0] > 1 || long[0] == 1 && !rotated) {
		err = ErrNotSaved
	}
	if err != nil {
		s.engine.shrinkKV(s, 0)
		return fmt.Errorf("the KV cache of %d tokens %w", len(tokens), err)
	}
	s.length = len(tokens)
	s.kv.longest, s.kv.loaded = s.length, s.length
	s.long = long[0] == 1
	if rotated {
		s.tokens = append([]int32(nil), tokens...)
	}
	return nil
}

// oldest returns the first position of a layer that tokens after n others, and the last of those, can see; n if the layer has none.
func (kv *kvLayout) oldest(layer, n int) int {
	if w := kv.windows[layer]; w > 0 {
		return max(0, n-w)
	}
	return max(0, n-kv.slots[layer])
}

// eachRun calls f with the keys and the values of every run of positions whose rows lie together, of a sequence of n tokens.
func (kv *kvCache) eachRun(n int, f func(rows []byte) error) error {
	for layer, slots := range kv.slots {
		for g := range kv.heads {
			for p := kv.oldest(layer, n); p < n; {
				slot := p % slots
				i, r := slot/kvPagePositions, slot%kvPagePositions
				rows := kv.pageRows(layer, i)
				count := min(rows-r, n-p)
				from, to := (g*rows+r)*kv.rowBytes, (g*rows+r+count)*kv.rowBytes
				page := &kv.pages[layer][i]
				if err := f(page.k[from:to]); err != nil {
					return err
				}
				if err := f(page.v[from:to]); err != nil {
					return err
				}
				p += count
			}
		}
	}
	return nil
}
