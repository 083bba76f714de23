package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"

	"st/runtime/engine"
)

// Sequence is a text in tokens whose KV cache is kept: what it holds need not be run again. One goroutine uses it at a time; any number of
// sequences of a model run at the same time. Close it after use.
type Sequence struct {
	model   *Model
	session *engine.Session
	tokens  []int32
	closing atomic.Bool // nothing is to be run any more
}

// NewSequence returns an empty sequence, which takes no memory yet.
func (m *Model) NewSequence() (*Sequence, error) {
	s, err := m.engine.NewSession()
	if err != nil {
		return nil, m.named(err)
	}
	return &Sequence{model: m, session: s}, nil
}

// Close gives the sequence's memory back. A second Close does nothing.
func (q *Sequence) Close() error { return q.session.Close() }

// Len returns the number of tokens that the sequence holds.
func (q *Sequence) Len() int { return len(q.tokens) }

// Tokens returns the tokens that the sequence holds. They are valid until the next call.
func (q *Sequence) Tokens() []int32 { return q.tokens }

// KVBytes returns the memory that the sequence's KV cache takes.
func (q *Sequence) KVBytes() int64 { return q.session.KVBytes() }

// Shared returns how many tokens of a prompt Generate would not run again: those that the sequence begins with. The prompt's last token is
// always run.
//
// If a sliding window has overwritten what they need, and the prompt goes on from all that the sequence holds when both are read as text, the
// tokens that it holds stand for the prompt's: what a model generates need not be how the tokenizer writes the same text. Else it is 0.
func (q *Sequence) Shared(prompt []int32) int {
	kept, _ := q.compare(prompt)
	return kept
}

// compare returns how many of the sequence's tokens a prompt begins with, and the tokens after them: at least one.
func (q *Sequence) compare(prompt []int32) (kept int, rest []int32) {
	n := 0
	for n < min(len(q.tokens), len(prompt)-1) && q.tokens[n] == prompt[n] {
		n++
	}
	if kept = q.session.Keeps(n); kept == n || q.model.tok == nil {
		return kept, prompt[kept:]
	}
	if rest := q.model.after(q.tokens[n:], prompt[n:]); len(rest) > 0 {
		return len(q.tokens), rest
	}
	return kept, prompt[kept:]
}

// after returns those of tokens that follow a beginning which reads as held does; nil if there is none. Special tokens are not read as text.
func (m *Model) after(held, tokens []int32) []int32 {
	var a, b string // of the tokens that are being compared: what is left of their texts
	for {
		switch {
		case a == "" && b == "" && len(held) == 0:
			return tokens
		case a == "" && len(held) == 0, b == "" && len(tokens) == 0:
			return nil
		case a == "" && b == "" && (m.tok.IsSpecial(held[0]) || m.tok.IsSpecial(tokens[0])):
			if held[0] != tokens[0] {
				return nil
			}
			held, tokens = held[1:], tokens[1:]
		case a == "":
			if m.tok.IsSpecial(held[0]) {
				return nil
			}
			a, held = m.tok.Text(held[0]), held[1:]
		case b == "":
			if m.tok.IsSpecial(tokens[0]) {
				return nil
			}
			b, tokens = m.tok.Text(tokens[0]), tokens[1:]
		default:
			n := min(len(a), len(b))
			if a[:n] != b[:n] {
				return nil
			}
			a, b = a[n:], b[n:]
		}
	}
}

// Generate makes the sequence a prompt and continues it: see [Model.GenerateTokens]. What the sequence holds of the prompt is not run again;
// Result.CachedTokens tells how much that is. With Generate.PromptLogProbs all of it is run.
func (q *Sequence) Generate(ctx context.Context, prompt []int32, g Generate) iter.Seq2[Piece, error] {
	m := q.model
	if len(prompt) == 0 {
		return failed(fmt.Errorf("%s: %w", m.file.Path(), ErrEmptyPrompt))
	}
	return func(yield func(Piece, error) bool) {
		sampler, err := m.sampler(g.Sampling(&m.file.Generation))
		if err == nil {
			err = g.Lookup.check()
		}
		if err == nil && len(prompt) > m.Context() { // what the sequence holds stays
			err = fmt.Errorf("%w: the prompt has %d tokens and the context %d", ErrContextFull, len(prompt), m.Context())
		}
		ends := m.ends(prompt)
		var within *constraint
		if err == nil {
			within, err = m.constrain(ctx, &g, ends)
		}
		if err != nil {
			yield(Piece{Token: noToken}, err)
			return
		}
		kept, rest := 0, prompt
		if !g.PromptLogProbs {
			kept, rest = q.compare(prompt)
		}
		if kept+len(rest) > m.Context() {
			kept, rest = 0, prompt
		}
		q.Truncate(kept)
		for _, id := range q.tokens[max(0, kept-repeatWindow):] {
			sampler.Accept(id)
		}
		w := writer{sequence: q, sampler: sampler, options: &g, yield: yield, grammar: within, ends: ends}
		w.write(ctx, slices.Clone(rest))
	}
}

// Fork returns a new sequence that holds the same tokens, with a copy of their KV cache. It may be called while Generate yields a piece. Close it
// after use.
func (q *Sequence) Fork(ctx context.Context) (*Sequence, error) {
	s, err := q.session.Fork(ctx)
	if err != nil {
		return nil, q.model.named(err)
	}
	return &Sequence{model: q.model, session: s, tokens: slices.Clone(q.tokens)}, nil
}

// Truncate keeps at most the first n tokens, and returns how many it kept: n, or none if a sliding window has overwritten what they need.
func (q *Sequence) Truncate(n int) int {
	if n < len(q.tokens) {
		q.tokens = q.tokens[:q.session.Truncate(n)]
	}
	return len(q.tokens)
}

// expect tells that n more tokens are to come, in parts.
func (q *Sequence) expect(n int) { q.session.Expect(len(q.tokens) + n) }

// forward appends tokens, and returns the logits [vocab] that predict the next one. They are valid until the next call. After an error the
// sequence has those tokens that it had before, and some of the others, or none at all.
func (q *Sequence) forward(ctx context.Context, tokens []int32) ([]float32, error) {
	if q.closing.Load() {
		return nil, q.model.named(ErrClosed)
	}
	var logits []float32
	err := q.run(ctx, tokens, func(rest []int32) (err error) {
		logits, err = q.session.Forward(ctx, rest)
		return err
	})
	return logits, err
}

// forwardAll appends tokens. It calls each with the logits after every one.
func (q *Sequence) forwardAll(ctx context.Context, tokens []int32, each func(i int, logits []float32) error) error {
	return q.run(ctx, tokens, func(rest []int32) error {
		first := len(tokens) - len(rest)
		return q.session.ForwardAll(ctx, rest, func(i int, logits []float32) error { return each(first+i, logits) })
	})
}

// verify appends a token and those of a guess that are right: see [engine.Session.Verify].
func (q *Sequence) verify(ctx context.Context, tokens []int32, next func(i int, logits []float32) bool) (gained, computed int, err error) {
	if q.closing.Load() {
		return 0, 0, q.model.named(ErrClosed)
	}
	err = q.run(ctx, tokens, func([]int32) (err error) {
		gained, computed, err = q.session.Verify(ctx, tokens, next)
		return err
	})
	q.tokens = q.tokens[:min(len(q.tokens), q.session.Len())]
	return gained, computed, err
}

// run has f append tokens, and the rest of them again when memory was given back, or another sequence that had none either has got more meanwhile.
func (q *Sequence) run(ctx context.Context, tokens []int32, f func(rest []int32) error) error {
	for {
		before, share := q.Len(), q.model.engine.Share()
		err := q.ran(tokens, f(tokens))
		done := q.Len() - before
		if done < 0 || !errors.Is(err, ErrMemory) || q.model.relieve == nil {
			return err
		}
		more := func() bool { return q.model.engine.Share() > share }
		if !more() && !q.model.relieve(ctx) && !more() {
			return cmp.Or(ctx.Err(), err) // nobody waits for memory any more, or there is none
		}
		tokens = tokens[done:]
	}
}

// ran notes what became of a run.
func (q *Sequence) ran(tokens []int32, err error) error {
	q.tokens = append(q.tokens, tokens...)
	if err != nil {
		q.tokens = q.tokens[:q.session.Len()]
	}
	return q.model.named(err)
}

// named names the file in an error that does not.
func (m *Model) named(err error) error {
	if err == ErrClosed {
		return fmt.Errorf("%s: %w", m.file.Path(), err)
	}
	return err
}
