package runtime

import (
	"context"
	"fmt"
	"sync/atomic"

	"st/runtime/engine"
)

// sequence is a session of the engine, and the tokens that it holds. One goroutine uses it at a time.
type sequence struct {
	model   *Model
	session *engine.Session
	tokens  []int32
	closing atomic.Bool // nothing is to be run any more
}

// newSequence returns an empty sequence.
func (m *Model) newSequence() (*sequence, error) {
	s, err := m.engine.NewSession()
	if err != nil {
		return nil, m.named(err)
	}
	return &sequence{model: m, session: s}, nil
}

// close gives the sequence's memory back.
func (q *sequence) close() { q.session.Close() }

func (q *sequence) len() int { return len(q.tokens) }

// truncate keeps at most the first n tokens, and returns how many it kept.
func (q *sequence) truncate(n int) int {
	if n < len(q.tokens) {
		q.tokens = q.tokens[:q.session.Truncate(n)]
	}
	return len(q.tokens)
}

// forward appends tokens, and returns the logits [vocab] that predict the next one. They are valid until the next call. After an error the
// sequence has those tokens that it had before, and some of the others, or none at all.
func (q *sequence) forward(ctx context.Context, tokens []int32) ([]float32, error) {
	if q.closing.Load() {
		return nil, q.model.named(ErrClosed)
	}
	logits, err := q.session.Forward(ctx, tokens)
	return logits, q.ran(tokens, err)
}

// forwardAll appends tokens. It calls each with the logits after every one.
func (q *sequence) forwardAll(ctx context.Context, tokens []int32, each func(i int, logits []float32) error) error {
	return q.ran(tokens, q.session.ForwardAll(ctx, tokens, each))
}

// ran notes what became of a run.
func (q *sequence) ran(tokens []int32, err error) error {
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
