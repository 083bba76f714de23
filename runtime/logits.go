package runtime

import (
	"context"
	"fmt"
	"slices"
)

// Logits runs tokens through the model. each is called with the logits [vocab] after every token, in order, i counting from 0; it may
// use them until it returns. It is called while the model runs, and other texts wait for it: it must not run or close the model. Its error
// ends the run and is returned.
func (m *Model) Logits(ctx context.Context, tokens []int32, each func(i int, logits []float32) error) error {
	return m.LogitsFrom(ctx, tokens, 0, each)
}

// LogitsFrom is Logits for the tokens from index first on, which is 0 to len(tokens)−1. Those before are context alone, which takes less time.
func (m *Model) LogitsFrom(ctx context.Context, tokens []int32, first int, each func(i int, logits []float32) error) error {
	return m.logits(ctx, tokens, first, len(tokens), func(q *Sequence, part []int32, at int) error {
		return q.forwardAll(ctx, part, func(i int, logits []float32) error { return each(at+i, logits) })
	})
}

// logits runs the tokens from first on in parts of so many: run is given each part and the index of its first token.
func (m *Model) logits(ctx context.Context, tokens []int32, first, part int, run func(q *Sequence, part []int32, at int) error) error {
	if first < 0 || first > len(tokens) {
		return as(ErrOption, fmt.Errorf("logits are asked for from token %d on, of %d", first, len(tokens)))
	}
	if len(tokens) > m.Context() {
		return fmt.Errorf("%w: there are %d tokens and the context is %d", ErrContextFull, len(tokens), m.Context())
	}
	q, err := m.NewSequence()
	if err != nil {
		return err
	}
	defer q.Close()
	q.expect(len(tokens))
	if first > 0 {
		if _, err := q.forward(ctx, tokens[:first]); err != nil {
			return err
		}
	}
	for ; first < len(tokens); first += part {
		end := min(len(tokens), first+part)
		if err := run(q, tokens[first:end], first); err != nil {
			return err
		}
	}
	return nil
}

// Windows returns the windows of a text: each has so many tokens, 1 or more, but for the last, which has the rest. The first token of each
// is replaced by BOS if the model's texts begin with that.
func (m *Model) Windows(tokens []int32, window int) [][]int32 {
	var all [][]int32
	for part := range slices.Chunk(tokens, window) {
		part = slices.Clone(part)
		if m.tok != nil && m.tok.AddBOS() {
			if bos, ok := m.tok.BOS(); ok {
				part[0] = bos
			}
		}
		all = append(all, part)
	}
	return all
}

// Run runs a text through the model for observers of its engine, in windows that each begin anew; see [Model.Windows]. progress, if not
// nil, is told after each window how many tokens are done.
func (m *Model) Run(ctx context.Context, tokens []int32, window int, progress func(done int)) error {
	if window < 1 {
		return as(ErrOption, fmt.Errorf("the window has %d tokens: it must be 1 or more", window))
	}
	q, err := m.NewSequence()
	if err != nil {
		return err
	}
	defer q.Close()
	done := 0
	for _, part := range m.Windows(tokens, window) {
		q.Truncate(0)
		if _, err := q.forward(ctx, part); err != nil {
			return err
		}
		if done += len(part); progress != nil {
			progress(done)
		}
	}
	return nil
}

// LogitsOneByOne is LogitsFrom with the tokens from first on run one at a time, as when they are generated: with Options.PreferCached that makes
// a difference.
func (m *Model) LogitsOneByOne(ctx context.Context, tokens []int32, first int, each func(i int, logits []float32) error) error {
	return m.logits(ctx, tokens, first, 1, func(q *Sequence, part []int32, at int) error {
		return q.forwardAll(ctx, part, func(i int, logits []float32) error { return each(at+i, logits) })
	})
}

// LogitsBoth is LogitsFrom, or LogitsOneByOne, with a second row of logits [vocab]: those that a text is written with under Options.SparseHead, which
// are −∞ where a row of the language-model head is left out. A model that was opened without that option returns [ErrNoPredictor].
func (m *Model) LogitsBoth(ctx context.Context, tokens []int32, first int, oneByOne bool, each func(i int, logits, predicted []float32) error) error {
	n := len(tokens)
	if oneByOne {
		n = 1
	}
	return m.logits(ctx, tokens, first, n, func(q *Sequence, part []int32, at int) error {
		return q.run(ctx, part, func(rest []int32) error {
			begin := at + len(part) - len(rest)
			return q.session.ForwardBoth(ctx, rest, func(i int, logits, predicted []float32) error { return each(begin+i, logits, predicted) })
		})
	})
}
