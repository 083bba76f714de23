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
	rank    *kernel.Input // [headBatch, rank]
	scores  []float32     // [headBatch, vocab]
	picked  [][]int32     // by thread: rows of a part
	counts  [headBatch]atomic.Int64
	do, pre task
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

func newSparsePass(p *pass, a *arena) *sparsePass {
	c, n := p.config, min(headBatch, p.rows)
	s := &sparsePass{scores: take[float32](a, n*c.Vocab), picked: make([][]int32, p.Engine.threads)}
	rank := c.HeadPredictorRank
	s.rank = kernel.PlaceInput(take[float32](a, n*rank), take[int8](a, n*rank), take[float32](a, n*rank/32), take[int32](a, n*rank/32), n, rank)
	s.pre, s.do = p.doPredictor, p.doSparseHead
	return s
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
	p.check(p.pool.split(h.in.Units(), 1, &s.pre))
	for t := range n {
		s.rank.Quantize(t)
	}
	p.check(p.pool.split(h.out.Units(), sparseGrain/h.out.UnitRows(), &s.do))
	for t := range n {
		if p.err == nil && s.counts[t].Load() < int64(min(minHeadRows, p.config.Vocab)) {
			p.check(p.pool.guard(0, 1, func(int, int, int) { p.likeliestRows(t) }))
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

func (p *pass) doSparseHead(thread, from, to int) {
	h, s, vocab, n := p.Engine.sparseHead, p.sparsePass, p.config.Vocab, p.now.headRows
	kernel.MulEach(s.scores, vocab, &h.out, from, to, s.rank, p.all[:n], &p.threads[thread].Scratch)
	first, end := from*h.out.UnitRows(), min(to*h.out.UnitRows(), vocab)
	picked := s.picked[thread][:0]
	for r := first; r < end; r++ {
		for t := range n {
			if !(s.scores[t*vocab+r] <= h.threshold) { // also if it is NaN
				picked = append(picked, int32(r))
				break
			}
		}
	}
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

// likeliestRows computes the minHeadRows rows of input t whose scores are the highest; of equal scores the first.
func (p *pass) likeliestRows(t int) {
	s, vocab := p.sparsePass, p.config.Vocab
	scores := s.scores[t*vocab:][:vocab]
	better := func(a, b int32) int {
		switch {
		case scores[a] > scores[b]:
			return -1
		case scores[a] < scores[b]:
			return 1
		}
		return int(a - b)
	}
	rows := s.picked[0][:0]
	limit := negInf
	for r, v := range scores {
		if v != v || len(rows) >= minHeadRows && !(v > limit) {
			continue
		}
		if rows = append(rows, int32(r)); len(rows) == 2*minHeadRows {
			slices.SortFunc(rows, better)
			rows, limit = rows[:minHeadRows], scores[rows[minHeadRows-1]]
		}
	}
	slices.SortFunc(rows, better)
	rows = rows[:min(len(rows), minHeadRows)]
	slices.Sort(rows)
	s.picked[0] = rows
	p.rowsOf(p.now.head[t*vocab:], rows, p.all[t:t+1], 0)
	s.counts[t].Store(max(s.counts[t].Load(), int64(len(rows))))
}

var negInf = float32(math.Inf(-1))

func fillInf(x []float32) {
	for i := range x {
		x[i] = negInf
	}
}

// SetSparseHead says whether the logits of calls to come are those of the rows of the head that are predicted alone, and −∞ of the others, where the
// engine was opened with Options.SparseHead; it has no effect otherwise. A new session has all logits.
func (s *Session) SetSparseHead(on bool) {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	s.sparse = on && s.engine.sparseHead != nil
}
