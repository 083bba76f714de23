package engine

import (
	"context"
	"errors"
)

// draftRows is the most rows of a pass that checks a draft: the token that is known, and those after it that are guessed.
const draftRows = 16

// MaxDraft is the most tokens of a guess that one call of [Session.Verify] checks.
const MaxDraft = draftRows - 1

// errEnough ends a draft: the next token is another one.
var errEnough = errors.New("the draft is wrong from here on")

// Verify appends tokens of which the first is known and the others are a guess, and calls next with the logits after each of them, in order, on the
// caller's goroutine: next draws a token and reports whether it is the guess that follows. If not, what is left of the guess is forgotten. Logits and
// KV cache have the bits that calls of Forward with one token each give, while all tokens share one reading of the weights (speculative decoding:
// Leviathan et al., arXiv 2211.17192, with a draft that is certain of itself). next may change the logits, which are valid until it returns.
//
// It returns how many tokens the sequence has gained, 1 or more, and how many were computed: fewer than there are if the context is short, a window
// or LongRoPE's border is near, others wait, or a guess needs experts that a memory budget would have to read. If next reported true for the last
// of those, the guess after it is right and comes with the next call. [Session.Truncate] takes back any of the tokens that were gained, until the
// next call. After an error the sequence is as it was.
func (s *Session) Verify(ctx context.Context, tokens []int32, next func(i int, logits []float32) bool) (gained, computed int, err error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
	defer func() { <-s.turn }()
	if s.closed {
		return 0, 0, ErrClosed
	}
	if room := s.engine.context - s.length; len(tokens) > 1 && len(tokens) > room {
		tokens = tokens[:max(1, room)]
	}
	if err := s.check(tokens); err != nil {
		return 0, 0, err
	}
	if err := s.rerotate(ctx, 1); err != nil {
		return 0, 0, err
	}
	before := s.length
	s.request.draft, s.request.computed = true, 0
	err = s.append(ctx, tokens, func(i int, logits []float32) error {
		if !next(i, logits) {
			return errEnough
		}
		return nil
	})
	s.request.draft = false
	return s.length - before, s.request.computed, err
}

// lengthen gives the drafts of a pass as many tokens as there is room for, in equal parts. Within a memory budget only a sequence that is alone
// drafts, and where somebody is told of all tokens none does: they would be told of wrong ones.
func (e *Engine) lengthen(p *pass) {
	left := 0
	for i := range p.segs {
		if p.segs[i].request.draft {
			left++
		}
	}
	if left == 0 || e.streamed != nil && len(p.segs) > 1 || e.trace != nil || e.observer != nil || e.activity != nil {
		return
	}
	for i := range p.segs {
		seg := &p.segs[i]
		if !seg.request.draft {
			continue
		}
		more := min(len(seg.request.tokens)-1, (p.alone-p.singles)/left)
		left--
		seg.n = e.draftLength(seg.session, 1+more)
		p.singles += seg.n - 1
	}
}

// draftLength returns how many of n tokens a session can take back: those that overwrite other positions each, grow the KV cache no more than the
// first does, and are rotated as it is.
func (e *Engine) draftLength(s *Session, n int) int {
	n = min(n, e.context-s.length)
	for _, slots := range e.kv.slots {
		if slots > 0 {
			n = min(n, slots)
		}
	}
	long := func(n int) bool { return isLong(e.config, max(s.length+n, s.expect)) }
	for n > 1 && (s.kv.growth(s.length+n) > 0 || long(n) != long(1)) {
		n--
	}
	return max(1, n)
}

// drafted returns how many of the last rows of a pass are a guess, if it is of one sequence.
func (p *pass) drafted() int {
	if len(p.segs) != 1 || !p.segs[0].request.draft {
		return 0
	}
	return p.n - 1
}

// cutDraft ends a draft before the first token that chose an expert that would have to be read: a guess is not worth that.
func (p *pass) cutDraft(l int) {
	n := p.drafted()
	if n == 0 || p.err != nil || p.streamed == nil || p.streamed.complete() {
		return
	}
	p.n = p.streamed.held(p.moe[l], p.choice.experts[:p.n*p.choice.topK], p.choice.topK)
	p.singles, p.segs[0].n = p.n, p.n
}

// held returns how many of the rows that chose experts [rows, top-k] come before the first, but row 0, that chose one which is neither in memory nor
// chosen by row 0.
func (s *streamedStore) held(layer int, chosen []int32, topK int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at := topK; at < len(chosen); at++ {
		here := s.experts[s.id(layer, int(chosen[at]))].state == resident
		for _, first := range chosen[:topK] {
			here = here || first == chosen[at]
		}
		if !here {
			return at / topK
		}
	}
	return len(chosen) / topK
}

// settleDraft keeps the tokens of a draft that were right, or none if the pass failed.
func (e *Engine) settleDraft(seg *segment, err error) {
	r, s := seg.request, seg.session
	if seg.err == errEnough {
		seg.err = nil
	}
	accepted := seg.accepted
	if err != nil || seg.err != nil {
		accepted = 0
	}
	s.kv.restore(seg.start + accepted)
	s.length = seg.start + accepted
	r.tokens, r.done, r.computed = nil, accepted, seg.n
}
