package main

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// minWindow is the shortest window of tokens in which something is scored.
const minWindow = 4

// perplexity measures how well a model predicts a text, the way llama-perplexity does: the text is cut into windows, and of
// each window the tokens of the second half are scored, which have at least half a window of context before them.
type perplexity struct {
	model  *model
	tokens []int32
	window int // tokens in a window

	windows, scored int
	sum, sumSquares float64 // of the scored tokens' negative log-likelihood
}

// run scores all whole windows. progress is told of tokens done.
func (p *perplexity) run(ctx context.Context, progress func(done int)) error {
	s := p.model.engine.NewSession()
	bos, replaceFirst := p.model.tok.BOS()
	replaceFirst = replaceFirst && p.model.tok.AddBOS()
	first := p.window / 2
	for at := 0; at+p.window <= len(p.tokens); at += p.window {
		window := append([]int32(nil), p.tokens[at:at+p.window]...)
		if replaceFirst {
			window[0] = bos
		}
		s.Reset()
		// The first half is context only; the token that precedes the last one predicts it.
		if _, err := s.Forward(ctx, window[:first]); err != nil {
			return err
		}
		err := s.ForwardAll(ctx, window[first:p.window-1], func(i int, logits []float32) error {
			return p.score(logits, window[first+i+1])
		})
		if err != nil {
			return err
		}
		p.windows++
		progress(at + p.window)
	}
	return nil
}

// score adds the prediction of one token.
func (p *perplexity) score(logits []float32, next int32) error {
	nll := negativeLogLikelihood(logits, next)
	if math.IsNaN(nll) || math.IsInf(nll, 0) {
		return errors.New("the model's logits are not finite: its weights are damaged or not finite")
	}
	p.scored++
	p.sum += nll
	p.sumSquares += nll * nll
	return nil
}

// negativeLogLikelihood is −log softmax(logits)[id].
func negativeLogLikelihood(logits []float32, id int32) float64 {
	top := float64(logits[0])
	for _, v := range logits {
		top = max(top, float64(v))
	}
	var sum float64
	for _, v := range logits {
		sum += math.Exp(float64(v) - top)
	}
	return top + math.Log(sum) - float64(logits[id])
}

// result returns the mean negative log-likelihood, its exponential, and the standard error of that.
func (p *perplexity) result() (mean, ppl, standardError float64) {
	n := float64(p.scored)
	mean = p.sum / n
	ppl = math.Exp(mean)
	if variance := p.sumSquares/n - mean*mean; p.scored > 1 && variance > 0 {
		standardError = ppl * math.Sqrt(variance/(n-1))
	}
	return mean, ppl, standardError
}

// newPerplexity chooses the windows. A text shorter than a window is one window itself.
func newPerplexity(m *model, tokens []int32, window int) (*perplexity, error) {
	if len(tokens) < minWindow {
		return nil, fmt.Errorf("the text has only %s: perplexity needs %d at least", plural(len(tokens), "token"), minWindow)
	}
	return &perplexity{model: m, tokens: tokens, window: min(window, len(tokens))}, nil
}
