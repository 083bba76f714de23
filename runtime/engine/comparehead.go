package engine

import (
	"context"
	"fmt"
)

// ForwardBoth is ForwardAll with two rows of logits for every token: those of the whole head, and in predicted those of the rows of the head that are
// predicted, −∞ being those of the others. It tells what leaving rows out does to one and the same prediction. An engine that was opened without
// Options.SparseHead returns [ErrNoPredictor].
func (s *Session) ForwardBoth(ctx context.Context, tokens []int32, each func(i int, logits, predicted []float32) error) error {
	if s.engine.sparseHead == nil {
		return fmt.Errorf("%s: %w", s.engine.reader.Path(), ErrNoPredictor)
	}
	s.setBoth(true)
	defer s.setBoth(false)
	return s.ForwardAll(ctx, tokens, func(i int, logits []float32) error { return each(i, logits, s.predicted) })
}

func (s *Session) setBoth(on bool) {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	s.both, s.predicted = on, nil
}

// comparison computes the logits of predicted rows of the head's first n inputs, beside those of the whole head. Their memory is made by the first
// who compares: nobody does while texts are written.
func (p *pass) comparison(n int) {
	if p.compared == nil {
		p.compared = make([]float32, p.head.N*p.config.Vocab)
	}
	p.sparseProduct(p.compared, n)
}
