package eval

import (
	"context"
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	"st/format"
	"st/runtime"
)

// Options say what [Run] does besides perplexity.
type Options struct {
	Base     *Logits        // what to compare with; nil: nothing
	Save     io.Writer      // where the logits go; nil: nowhere
	Decode   bool           // scored positions are run one at a time, as when text is generated
	Head     bool           // what leaving rows of the language-model head out would do is measured: the model has runtime.Options.SparseHead
	Progress func(done int) // is told how many tokens are done; may be nil
}

// Run measures how well a model predicts a text, the way llama-perplexity does: in every window of n tokens the positions n/2 to n−2 are
// scored, by the token that follows each, so that each has at least half a window of context before it. Sums do not depend on the number
// of threads.
func Run(ctx context.Context, m *runtime.Model, text Windows, opts Options) (*Report, error) {
	begin := time.Now()
	p := newScorer(m, &opts)
	if p.save != nil {
		if _, err := p.save.Write(newHeader(m, text).encode()); err != nil {
			return nil, fmt.Errorf("write logits: %w", err)
		}
	}
	first := text.firstScored()
	var before runtime.Stats
	for i := range text.Count() {
		window := text.At(i)
		// The token that precedes the last one predicts it.
		err := run(ctx, m, window[:len(window)-1], first, &opts, func(j int, logits, predicted []float32) error {
			if j == first && opts.Decode {
				before = m.Stats() // of the first one a part is counted
			}
			return p.add(logits, predicted, window[j+1])
		})
		if opts.Decode {
			p.cache.add(before, m.Stats())
		}
		if err == nil {
			err = p.flush()
		}
		if err != nil {
			return nil, err
		}
		if opts.Progress != nil {
			opts.Progress((i + 1) * text.Length)
		}
	}
	return p.report(text, time.Since(begin)), nil
}

// run calls each with the logits of the tokens from first on, and with those of predicted rows of the head, if that is asked for.
func run(ctx context.Context, m *runtime.Model, tokens []int32, first int, opts *Options, each func(i int, logits, predicted []float32) error) error {
	one := func(i int, logits []float32) error { return each(i, logits, nil) }
	switch {
	case opts.Head:
		return m.LogitsBoth(ctx, tokens, first, opts.Decode, each)
	case opts.Decode:
		return m.LogitsOneByOne(ctx, tokens, first, one)
	}
	return m.LogitsFrom(ctx, tokens, first, one)
}

// scorer scores positions as they come.
type scorer struct {
	path string    // of the model
	base *Logits   // nil: none
	save io.Writer // of records; nil: none

	nll        moments // of the scored tokens
	divergence divergence
	head       headRows
	cache      cacheUse

	batch  []position // of which filled are in use
	filled int
}

// maxPositions bounds the positions that are scored at a time: with a vocabulary of 151,936 one takes 0.6 MB, and 0.3 MB more each to be
// compared and saved, and 0.6 MB for the logits of predicted rows.
const maxPositions = 8

// MemoryBytes returns the memory that Run takes besides the model: to be counted in runtime.Options.Other. compares says
// whether there is a base, saves whether logits are saved, and head is Options.Head.
func MemoryBytes(c *format.Config, compares, saves, head bool) int64 {
	n := 4 * c.Vocab
	if head {
		n += 2 * 4 * c.Vocab // here, and in the engine
	}
	for _, has := range []bool{compares, saves} {
		if has {
			n += recordSize(c.Vocab)
		}
	}
	return maxPositions*int64(n) + 4<<20 // files are read and written through buffers
}

func newScorer(m *runtime.Model, opts *Options) *scorer {
	vocab := m.Config().Vocab
	p := &scorer{path: m.Path(), base: opts.Base, save: opts.Save, batch: make([]position, min(m.Threads(), maxPositions))}
	for i := range p.batch {
		p.batch[i].logits = make([]float32, vocab)
		if p.base != nil {
			p.batch[i].base = make(record, recordSize(vocab))
		}
		if p.save != nil {
			p.batch[i].save = make(record, recordSize(vocab))
		}
		if opts.Head {
			p.batch[i].predicted = make([]float32, vocab)
		}
	}
	return p
}

// add takes the prediction of one token. predicted is nil without Options.Head.
func (p *scorer) add(logits, predicted []float32, next int32) error {
	q := &p.batch[p.filled]
	copy(q.logits, logits)
	copy(q.predicted, predicted)
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
func (p *scorer) flush() error {
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
			return errorf(ErrDamaged, "%s is damaged: the checksum of record %d differs", p.base.path, p.base.record-len(batch)+i+1)
		case !finite(q.nll) || !finite(q.kl) || !finite(q.rows.kl):
			return fmt.Errorf("%s: %w", p.path, runtime.ErrNotFinite)
		}
		p.nll.add(q.nll)
		if q.base != nil {
			p.divergence.add(q)
		}
		if q.predicted != nil {
			p.head.add(&q.rows)
		}
		if q.save != nil {
			if _, err := p.save.Write(q.save); err != nil {
				return fmt.Errorf("write logits: %w", err)
			}
		}
	}
	return nil
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// position is what there is to know of one scored position.
type position struct {
	logits    []float32
	predicted []float32 // those of predicted rows of the head, −∞ of the others; nil: none
	next      int32     // the token that follows
	base      record    // the base's; nil: none
	save      record    // to be filled in; nil: none

	nll     float64 // negative log-likelihood of next, in nats
	damaged bool    // base
	baseNLL float64
	kl      float64 // divergence from base
	sameTop bool    // as base
	rows    leftOut
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
	if q.predicted != nil {
		q.rows = leaveOut(q.logits, q.predicted, lse, top, int(q.next))
	}
	if q.base != nil {
		baseCodes, baseNLL, baseTop, ok := q.base.open()
		q.damaged, q.baseNLL, q.sameTop = !ok, baseNLL, top == baseTop
		q.kl = klDivergence(baseCodes, q.logits, lse)
	}
}
