package engine

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"

	"st/format"
	"st/runtime/kernel"
)

// ErrNoPredictor is about a model that has no predictor of its language-model head.
var ErrNoPredictor = errors.New("the model has no predictor of its language-model head")

// minHeadRows is how many rows of the head are computed at least: more than samplers choose among.
const minHeadRows = 256

// sparseHead computes the rows of the language-model head whose score is above a threshold, and leaves the logits of the others at −∞: PowerInfer's
// predictor of SmallThinker (arXiv 2507.20984, section 4). The scores of a token with the head's input x are out · (in · x). If fewer than minHeadRows
// are above the threshold, it is the rows of the highest scores. The logits that are computed have the bits of the whole head.
type sparseHead struct {
	threshold float32
	in, out   kernel.Matrix // [rank, hidden], [vocab, rank]
	rows      *kernel.Scattered
	block     *block
}

// sparsePass is what a pass needs for it.
type sparsePass struct {
	rank   *kernel.Input // [headBatch, rank]
	scores []float32     // [headBatch, vocab]
	peaks  []float32     // [headBatch, runs]: of every kernel.PeakRun scores
	copied []float32     // [runs]
	picked [][]int32     // by thread: rows of a part
	counts [headBatch]atomic.Int64
}

// CheckPredictor returns ErrNoPredictor, with the file's name, if opts.SparseHead asks for what the file has not.
func (o *Options) CheckPredictor(r *format.Reader) error {
	if o.SparseHead == nil {
		return nil
	}
	if r.Config.HeadPredictorRank == 0 {
		return fmt.Errorf("%s: %w", r.Path(), ErrNoPredictor)
	}
	if math.IsNaN(float64(*o.SparseHead)) {
		return fmt.Errorf("%s: the threshold of the head's rows is not a number", r.Path())
	}
	return nil
}

// sparseHeadBytes returns the memory that the predictor and the head's rows take.
func sparseHeadBytes(r *format.Reader, opts *Options) (n int64) {
	if opts.SparseHead == nil {
		return 0
	}
	for _, role := range []format.Role{format.RoleHeadPredictorIn, format.RoleHeadPredictorOut} {
		if rec, _, ok := r.Role(role, -1); ok {
			n += rec.Length
		}
	}
	if _, t, ok := headTensor(r); ok {
		w := shapeOf(t)
		n += int64(kernel.ScatteredBytes(&w))
	}
	return n
}

// headTensor returns the language-model head.
func headTensor(r *format.Reader) (*format.Record, *format.Tensor, bool) {
	if rec, t, isHead := embedRecord(r); isHead {
		return rec, t, rec != nil
	}
	return r.Role(format.RoleHead, -1)
}

// openSparseHead reads the predictor, and copies the head's rows out of their groups.
func (e *Engine) openSparseHead(opts *Options) error {
	if opts.SparseHead == nil {
		return nil
	}
	r, c := e.reader, e.config
	h := &sparseHead{threshold: float32(*opts.SparseHead)}
	var err error
	if h.block, err = e.memory.newBlock(forDense, sparseHeadBytes(r, opts)); err != nil {
		return err
	}
	e.sparseHead = h
	at := int64(0)
	b := binder{r: r, c: c}
	read := func(role format.Role, rows, cols int) (kernel.Matrix, error) {
		rec, t := b.tensor(role, -1, rows, cols)
		if b.err != nil {
			return kernel.Matrix{}, fmt.Errorf("%s: %w", r.Path(), b.err)
		}
		data := h.block.bytes()[at:][:rec.Length]
		at += rec.Length
		return matrix(t, data), r.ReadRecord(rec, data)
	}
	if h.in, err = read(format.RoleHeadPredictorIn, c.HeadPredictorRank, c.Hidden); err != nil {
		return err
	}
	if h.out, err = read(format.RoleHeadPredictorOut, c.Vocab, c.HeadPredictorRank); err != nil {
		return err
	}
	h.rows = kernel.NewScattered(&e.weights.head, h.block.bytes()[at:])
	fill := task(func(_, from, to int) { h.rows.Fill(from, to) })
	return e.pool.split(e.weights.head.Units(), 64, &fill)
}

func newSparsePass(e *Engine, n int, a *arena) *sparsePass {
	vocab := e.config.Vocab
	runs := peakRuns(vocab)
	return &sparsePass{scores: take[float32](a, n*vocab), peaks: take[float32](a, n*runs), copied: take[float32](a, runs), picked: make([][]int32, e.Threads()),
		rank: newInput(a, n, e.config.HeadPredictorRank)}
}

// sparseProduct computes, for the head's inputs [0, n), the logits of the rows that are predicted.
func (p *pass) sparseProduct(dst []float32, n int) {
	if p.err != nil {
		return
	}
	h, s := p.Engine.sparseHead, p.sparsePass
	p.now.head, p.now.headRows = dst, n
	for t := range n {
		s.counts[t].Store(0)
	}
	p.check(p.pool.split(h.in.Units(), 1, &p.do.predictor))
	for t := range n {
		s.rank.Quantize(t)
	}
	p.check(p.pool.split(peakRuns(p.config.Vocab), sparseGrain/kernel.PeakRun, &p.do.sparseHead))
	for t := range n {
		if p.err == nil && s.counts[t].Load() < int64(min(minHeadRows, p.config.Vocab)) {
			p.check(p.pool.guard(1, func(int, int, int) { p.likeliestRows(t) }))
		}
	}
	p.bytes += h.in.Bytes() + h.out.Bytes()
	for t := range n {
		rows := s.counts[t].Load()
		p.bytes += rows * int64(h.rows.RowBytes()) / int64(n)
		p.stats.headRows.Add(rows)
	}
	p.stats.headTokens.Add(int64(n))
}

// sparseGrain is the fewest rows of the head that a thread looks at together: of a few percent of them groups can be made.
const sparseGrain = 1024

func (p *pass) doPredictor(thread, from, to int) {
	h := p.Engine.sparseHead
	kernel.MulEach(p.sparsePass.rank.F, h.in.Rows, &h.in, from, to, p.head, p.all[:p.now.headRows], &p.threads[thread].Scratch)
}

// peakRuns returns how many runs of kernel.PeakRun scores there are; the last may be short.
func peakRuns(vocab int) int { return (vocab + kernel.PeakRun - 1) / kernel.PeakRun }

// doSparseHead computes the rows that are picked in runs [from, to) of scores.
func (p *pass) doSparseHead(thread, from, to int) {
	h, s, vocab, n := p.Engine.sparseHead, p.sparsePass, p.config.Vocab, p.now.headRows
	first, end, unit := from*kernel.PeakRun, min(to*kernel.PeakRun, vocab), h.out.UnitRows()
	kernel.MulEach(s.scores, vocab, &h.out, first/unit, (end+unit-1)/unit, s.rank, p.all[:n], &p.threads[thread].Scratch)
	for t := range n {
		kernel.Peaks(s.peaks[t*peakRuns(vocab)+from:], s.scores[t*vocab+first:t*vocab+end])
	}
	picked := slices.Grow(s.picked[thread][:0], end-first)[:end-first]
	picked = picked[:kernel.ListAbove(picked, s.scores, n, vocab, first, end, h.threshold)]
	s.picked[thread] = picked
	for t := range n {
		fillInf(p.now.head[t*vocab+first : t*vocab+end])
	}
	p.rowsOf(p.now.head, picked, p.all[:n], thread)
	for t := range n {
		rows := len(picked)
		if n > 1 {
			rows = 0
			for _, r := range picked {
				if s.scores[t*vocab+int(r)] <= h.threshold { // another token's
					p.now.head[t*vocab+int(r)] = negInf
				} else {
					rows++
				}
			}
		}
		s.counts[t].Add(int64(rows))
	}
}

// rowsOf computes rows of the head for inputs idx, the first of which has its logits at the beginning of dst.
func (p *pass) rowsOf(dst []float32, rows, idx []int32, thread int) {
	vocab := p.config.Vocab
	p.Engine.sparseHead.rows.Mul(dst, vocab, rows, p.head, idx, &p.threads[thread].Scratch)
	if c := p.config.LogitSoftcap; c != 0 {
		for t := range idx {
			for _, r := range rows {
				softcap(dst[t*vocab+int(r):][:1], c)
			}
		}
	}
}

// likeliestRows computes the minHeadRows rows of input t whose scores are the highest.
func (p *pass) likeliestRows(t int) {
	s, vocab := p.sparsePass, p.config.Vocab
	rows := s.likeliest(s.picked[0][:0], t, vocab)
	s.picked[0] = rows
	p.rowsOf(p.now.head[t*vocab:], rows, p.all[t:t+1], 0)
	s.counts[t].Store(max(s.counts[t].Load(), int64(len(rows))))
}

// likeliest appends the minHeadRows rows of input t whose scores are the highest to rows, which is empty; of equal scores the first.
func (s *sparsePass) likeliest(rows []int32, t, vocab int) []int32 {
	runs := peakRuns(vocab)
	scores, peaks := s.scores[t*vocab:][:vocab], s.peaks[t*runs:][:runs]
	better := func(a, b int32) int {
		switch {
		case scores[a] > scores[b]:
			return -1
		case scores[a] < scores[b]:
			return 1
		}
		return int(a - b)
	}
	// As many runs have a peak that is not less than this, so the rows that are looked for are not less either, and lie in such runs.
	least := negInf
	if runs >= minHeadRows {
		copy(s.copied, peaks)
		least = largest(s.copied, minHeadRows)
	}
	for run, peak := range peaks {
		if peak < least {
			continue
		}
		first := run * kernel.PeakRun
		for i, v := range scores[first:min(first+kernel.PeakRun, vocab)] {
			if !(v >= least) { // or NaN
				continue
			}
			if rows = append(rows, int32(first+i)); len(rows) == 2*minHeadRows {
				slices.SortFunc(rows, better)
				rows = rows[:minHeadRows]
				least = math.Nextafter32(scores[rows[minHeadRows-1]], posInf) // of equal scores, the first are there
			}
		}
	}
	slices.SortFunc(rows, better)
	rows = rows[:min(len(rows), minHeadRows)]
	slices.Sort(rows)
	return rows
}

var negInf, posInf = float32(math.Inf(-1)), float32(math.Inf(1))

func fillInf(x []float32) {
	x[0] = negInf
	for n := 1; n < len(x); n *= 2 { // several times as fast as one by one
		copy(x[n:], x[:n])
	}
}

// largest returns the k-th largest of the numbers of x, which it reorders. None is NaN. (Hoare, Algorithm 65: Find, 1961.)
func largest(x []float32, k int) float32 {
	for low, high := 0, len(x)-1; low < high; {
		pivot, i, j := x[k-1], low, high
		for i <= j {
			for x[i] > pivot {
				i++
			}
			for x[j] < pivot {
				j--
			}
			if i <= j {
				x[i], x[j] = x[j], x[i]
				i, j = i+1, j-1
			}
		}
		if j < k-1 {
			low = i
		}
		if k-1 < i {
			high = j
		}
	}
	return x[k-1]
}

// SetSparseHead says whether the logits of calls to come are those of the rows of the head that are predicted alone, and −∞ of the others, where the
// engine was opened with Options.SparseHead; it has no effect otherwise. A new session has all logits.
func (s *Session) SetSparseHead(on bool) {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	s.sparse = on && s.engine.sparseHead != nil
}
