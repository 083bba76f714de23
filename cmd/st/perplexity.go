package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"sync"
)

// minWindow is the shortest window of tokens in which something is scored.
const minWindow = 4

// textWindows is a text cut in windows of the same length.
type textWindows struct {
	tokens []int32 // [count, length]
	length int
}

// cutWindows cuts a text; a rest is left out. A text that is shorter than a window is one window itself.
func cutWindows(m *model, tokens []int32, length int) (textWindows, error) {
	if len(tokens) < minWindow {
		return textWindows{}, fmt.Errorf("the text has only %s: perplexity needs %d at least", plural(len(tokens), "token"), minWindow)
	}
	length = min(length, len(tokens))
	w := textWindows{append([]int32(nil), tokens[:len(tokens)/length*length]...), length}
	if bos, ok := m.tok.BOS(); ok && m.tok.AddBOS() {
		for i := range w.count() {
			w.at(i)[0] = bos
		}
	}
	return w, nil
}

func (w textWindows) count() int       { return len(w.tokens) / w.length }
func (w textWindows) at(i int) []int32 { return w.tokens[i*w.length:][:w.length] }
func (w textWindows) scored() int      { return w.count() * (w.length - 1 - w.length/2) }
func (w textWindows) firstScored() int { return w.length / 2 }

// perplexity measures how well a model predicts a text, the way llama-perplexity does: the text is cut into windows of n tokens,
// the first of which is replaced by the BOS token if the model's texts begin with one. The positions n/2 to n−2 are scored, by
// the token that follows each: it has at least half a window of context before it.
type perplexity struct {
	model *model
	text  textWindows
	base  *logitsFile // to compare with; nil: none
	save  io.Writer   // of records; nil: none

	nll        moments // of the scored tokens
	divergence divergence

	batch  []position // of which filled are in use
	filled int
}

// maxPositions bounds the positions that are scored at a time: with a vocabulary of 151,936 one takes 1.2 MB, and all of them fit
// in what a memory budget reserves.
const maxPositions = 8

// run scores all windows. progress is told of tokens done.
func (p *perplexity) run(ctx context.Context, progress func(done int)) error {
	vocab := p.model.engine.Config().Vocab
	p.batch = make([]position, min(p.model.engine.Threads(), maxPositions))
	for i := range p.batch {
		p.batch[i].logits = make([]float32, vocab)
		if p.base != nil {
			p.batch[i].base = make(record, recordSize(vocab))
		}
		if p.save != nil {
			p.batch[i].save = make(record, recordSize(vocab))
		}
	}
	s := newSession(p.model.engine)
	first := p.text.firstScored()
	for i := range p.text.count() {
		window := p.text.at(i)
		s.Truncate(0)
		// The first half is context only; the token that precedes the last one predicts it.
		if _, err := s.Forward(ctx, window[:first]); err != nil {
			return err
		}
		err := s.ForwardAll(ctx, window[first:len(window)-1], func(j int, logits []float32) error {
			return p.add(logits, window[first+j+1])
		})
		if err != nil {
			return err
		}
		if err := p.flush(); err != nil {
			return err
		}
		progress((i + 1) * p.text.length)
	}
	return nil
}

// add takes the prediction of one token.
func (p *perplexity) add(logits []float32, next int32) error {
	q := &p.batch[p.filled]
	copy(q.logits, logits)
	q.next = next
	if p.base != nil {
		if err := p.base.next(q.base); err != nil {
			return err
		}
	}
	if p.filled++; p.filled == len(p.batch) {
		return p.flush()
	}
	return nil
}

// flush scores what was added, all positions at the same time. Their scores are summed up in their order, so that sums do not
// depend on the number of threads.
func (p *perplexity) flush() error {
	batch := p.batch[:p.filled]
	p.filled = 0
	var others sync.WaitGroup
	for i := 1; i < len(batch); i++ {
		others.Go(batch[i].score)
	}
	if len(batch) > 0 {
		batch[0].score()
	}
	others.Wait()
	for i := range batch {
		q := &batch[i]
		switch {
		case q.damaged:
			return fmt.Errorf("%s is damaged: the checksum of record %d differs: %s", p.base.path, p.base.record-len(batch)+i+1, saveAgain)
		case !finite(q.nll) || !finite(q.kl):
			return fmt.Errorf("%s: the model's logits are not finite: its weights are damaged (st inspect --verify tells) or not finite",
				p.model.reader.Path())
		}
		p.nll.add(q.nll)
		if q.base != nil {
			p.divergence.add(q)
		}
		if q.save != nil {
			if _, err := p.save.Write(q.save); err != nil {
				return fmt.Errorf("write logits: %w", cause(err))
			}
		}
	}
	return nil
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// position is what there is to know of one scored position.
type position struct {
	logits []float32
	next   int32  // the token that follows
	base   record // the base's; nil: none
	save   record // to be filled in; nil: none

	nll     float64 // negative log-likelihood of next, in nats
	damaged bool    // base
	baseNLL float64
	kl      float64 // divergence from base
	sameTop bool    // as base
}

// score fills in the results.
func (q *position) score() {
	var codes []byte
	if q.save != nil {
		codes, _ = q.save.split()
	}
	lse, top := logSumExp(q.logits, codes)
	q.nll = lse - float64(q.logits[q.next])
	if q.save != nil {
		q.save.seal(q.nll, top)
	}
	if q.base != nil {
		baseCodes, baseNLL, baseTop, ok := q.base.open()
		q.damaged, q.baseNLL, q.sameTop = !ok, baseNLL, top == baseTop
		q.kl = klDivergence(baseCodes, q.logits, lse)
	}
}
