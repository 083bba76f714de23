package runtime

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// drawnPiece is a piece that is to be yielded, and what there was when its token was drawn: a caller who leaves after it leaves the text there.
type drawnPiece struct {
	Piece
	forced       bool // by the grammar
	tokens, text int  // of the result
	sampler      samplerMark
}

// step draws the tokens that follow, of which there may be several where the grammar forces some, and adds them to the text. It reports whether that
// ends.
func (w *writer) step(logits []float32) (ids []int32, end bool, err error) {
	if logits[0] != logits[0] {
		return nil, true, fmt.Errorf("%s: %w", w.sequence.model.file.Path(), ErrNotFinite)
	}
	var probabilities *logProbs
	if w.options.LogProbs {
		probabilities = newLogProbs(slices.Clone(logits), w.options.TopLogProbs) // sampling changes them
	}
	if ids, err = w.draw(logits); err != nil {
		return nil, true, err
	}
	if len(ids) == 0 { // the grammar has no more
		w.result.Stop = StopEOS
		return nil, true, nil
	}
	for i, id := range ids {
		if i > 0 {
			w.result.ForcedTokens++
		}
		if end, err = w.take(id, i > 0, probabilities); end || err != nil {
			return ids, true, err
		}
	}
	return ids, false, nil
}

// flush yields what was drawn. If the caller leaves, the text ends there, and reports false.
func (w *writer) flush() bool {
	drawn := w.drawn
	w.drawn = w.drawn[:0]
	for i := range drawn {
		if w.yield(drawn[i].Piece, nil) {
			continue
		}
		w.left, w.result.Stop = true, StopInterrupted
		w.leave(drawn[i:])
		return false
	}
	return true
}

// leave takes back what was drawn after the first of pieces.
func (w *writer) leave(drawn []drawnPiece) {
	r, last := &w.result, &drawn[0]
	text := w.text.String()[:last.text]
	w.text.Reset()
	w.text.WriteString(text)
	r.Tokens = r.Tokens[:last.tokens]
	var after []int32
	for i := range drawn[1:] {
		if p := &drawn[1+i]; !p.forced {
			after = append(after, p.Token)
		}
	}
	if r.EndToken != noToken {
		after, r.EndToken = append(after, r.EndToken), noToken
	}
	w.sampler.rewind(&last.sampler, after)
	if ahead := w.fed - last.tokens + 1; ahead > 0 { // the last token is not run
		w.sequence.Truncate(w.sequence.Len() - ahead)
		w.fed -= ahead
		r.Decoded -= ahead
	}
}

// run appends tokens to the sequence and draws the next ones.
func (w *writer) run(ctx context.Context, ids []int32) (next []int32, end bool, err error) {
	begin := time.Now()
	logits, err := w.sequence.forward(ctx, ids)
	if err != nil { // the sequence is as it was: a conversation can go on
		return nil, true, err
	}
	if w.lookup != nil && len(ids) == 1 {
		w.lookup.costs.note(1, time.Since(begin))
	}
	w.result.Decoded, w.fed = w.result.Decoded+len(ids), len(w.result.Tokens)
	return w.step(logits)
}

// guess returns the tokens that are likely to follow the last one. None: there is no guess.
func (w *writer) guess() []int32 {
	l, r := w.lookup, &w.result
	if l == nil {
		return nil
	}
	tokens := w.sequence.tokens
	l.add(tokens[min(len(l.text), len(tokens)):])
	l.add(r.Tokens[w.fed:])
	most := int(MaxLookup)
	if n := w.options.MaxTokens; n > 0 {
		most = min(most, n-len(r.Tokens)-1)
	}
	guess := l.guess(most)
	if !w.options.IgnoreEOS {
		if i := slices.IndexFunc(guess, func(id int32) bool { return slices.Contains(w.ends, id) }); i >= 0 {
			guess = guess[:i]
		}
	}
	if w.grammar != nil {
		guess = w.grammar.allowed(guess)
	}
	return guess
}

// check runs a token and a guess of what follows it in one pass, and draws the tokens that follow: those of the guess that are right, and one more.
// It returns the last ones, which are not run.
func (w *writer) check(ctx context.Context, id int32, guess []int32) (last []int32, end bool, err error) {
	r := &w.result
	tokens := append([]int32{id}, guess...)
	begin, drawing := time.Now(), time.Duration(0)
	gained, computed, failed := w.sequence.verify(ctx, tokens, func(i int, logits []float32) bool {
		start := time.Now()
		defer func() { drawing += time.Since(start) }()
		last, end, err = w.step(logits)
		return !end && err == nil && len(last) == 1 && i+1 < len(tokens) && last[0] == tokens[i+1]
	})
	if failed != nil {
		return nil, true, failed
	}
	w.fed += gained
	r.Decoded, r.Drafted, r.Accepted = r.Decoded+gained, r.Drafted+computed-1, r.Accepted+gained-1
	w.lookup.costs.note(computed, time.Since(begin)-drawing)
	if computed > 1 {
		w.lookup.learn(computed-1, gained-1)
	}
	return last, end, err
}

// allowed returns the first tokens of a guess, as far as the grammar allows them and they are drawn one at a time: text that it forces is not.
func (c *constraint) allowed(guess []int32) []int32 {
	if len(guess) == 0 {
		return nil
	}
	m := c.matcher.Clone()
	for i, id := range guess {
		if m.Done() || m.Accept(id) != nil {
			return guess[:i]
		}
		if c.ahead && len(m.Forced()) > 0 {
			return guess[:i]
		}
	}
	return guess
}
