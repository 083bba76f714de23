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
	Progress func(done int) // is told how many tokens are done; may be nil
}

// Run measures how well a model predicts a text, the way llama-perplexity does: in every window of n tokens the positions n/2 to n−2 are
// scored, by the token that follows each, so that each has at least half a window of context before it. Sums do not depend on the number
// of threads.
func Run(ctx context.Context, m *runtime.Model, text Windows, opts Options) (*Report, error) {
	begin := time.Now()
	p := newScorer(m, text, &opts)
	if p.save != nil {
		if _, err := p.save.Write(newHeader(m, text).encode()); err != nil {
			return nil, fmt.Errorf("write logits: %w", err)
		}
	}
	first := text.firstScored()
	var before runtime.Stats
	run := m.LogitsFrom
	if opts.Decode {
		run = m.LogitsOneByOne
	}
	for i := range text.Count() {
		window := text.At(i)
		// The token that precedes the last one predicts it.
		err := run(ctx, window[:len(window)-1], first, func(j int, logits []float32) error {
			if j == first && opts.Decode {
				before = m.Stats() // of the first one a part is counted
			}
			return p.add(logits, window[j+1])
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

// scorer scores positions as they come.
type scorer struct {
	path string    // of the model
	base *Logits   // nil: none
	save io.Writer // of records; nil: none

	nll        moments // of the scored tokens
	divergence divergence
	cache      cacheUse

	batch  []position // of which filled are in use
	filled int
}

// maxPositions bounds the positions that are scored at a time: with a vocabulary of 151,936 one takes 0.6 MB, and 0.3 MB more each to be
// compared and saved.
const maxPositions = 8

// MemoryBytes returns the memory that Run takes besides the model: to be counted in runtime.Options.Other. compares says
// whether there is a base, and saves whether logits are saved.
func MemoryBytes(c *format.Config, compares, saves bool) int64 {
	n := 4 * c.Vocab
	for _, has := range []bool{compares, saves} {
		if has {
			n += recordSize(c.Vocab)
		}
	}
	return maxPositions*int64(n) + 4<<20 // files are read and written through buffers
}

func newScorer(m *runtime.Model, text Windows, opts *Options) *scorer {
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
	}
	return p
}

// add takes the prediction of one token.
func (p *scorer) add(logits []float32, next int32) error {
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
		case !finite(q.nll) || !finite(q.kl):
			return fmt.Errorf("%s: %w", p.path, runtime.ErrNotFinite)
		}
		p.nll.add(q.nll)
		if q.base != nil {
			p.divergence.add(q)
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
