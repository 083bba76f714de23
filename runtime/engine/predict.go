package engine

import (
	"math"

	"st/runtime/kernel"
)

// predict computes the logits that the requests ask for: of their last tokens, each as if it were alone, or of every token.
func (p *pass) predict(leader *request) {
	p.clock.start()
	p.predictLasts(false)
	if p.sparsePass != nil {
		p.predictLasts(true)
	}
	for i := range p.segs {
		if seg := &p.segs[i]; seg.request.each != nil {
			p.predictAll(seg, leader)
		}
	}
}

// predictLasts computes the logits of last tokens, of the sessions that ask for predicted rows of the head, or of the others.
func (p *pass) predictLasts(sparse bool) {
	var last [headBatch]*segment
	n := 0
	for i := range p.segs {
		seg := &p.segs[i]
		if seg.request.each != nil || seg.n < len(seg.request.tokens) || seg.session.sparse != sparse {
			continue
		}
		p.headInput(n, seg.row+seg.n-1)
		last[n] = seg
		if n++; n == p.head.N {
			p.predictLast(last[:n])
			n = 0
		}
	}
	if n > 0 {
		p.predictLast(last[:n])
	}
}

// headInput makes a row of the pass the head's input t.
func (p *pass) headInput(t, row int) {
	c := p.config
	kernel.RMSNorm(p.head.Row(t), p.x[row*c.Hidden:][:c.Hidden], p.weights.norm, c.RMSNormEps)
	p.head.Quantize(t)
}

// predictLast computes logits for the head's first inputs, which are the last tokens of segments.
func (p *pass) predictLast(segs []*segment) {
	if p.err != nil {
		return
	}
	vocab := p.config.Vocab
	dst, peaks := p.logits, p.peaks
	if len(segs) == 1 {
		dst, peaks = segs[0].session.logits, segs[0].session.peaks
	}
	if segs[0].session.sparse {
		peaks = nil
	}
	p.headProduct(dst, peaks, len(segs), true, segs[0].session.sparse)
	for i, seg := range segs {
		s := seg.session
		s.peaked = peaks != nil && p.err == nil
		if len(segs) > 1 {
			copy(s.logits, p.logits[i*vocab:][:vocab])
			copy(s.peaks, p.peaks[i*peakRuns(vocab):][:peakRuns(vocab)])
		}
	}
	p.clock.lap(StageHead)
}

// predictAll calls a request's function with the logits of all rows of its segment.
func (p *pass) predictAll(seg *segment, leader *request) {
	r, vocab := seg.request, p.config.Vocab
	for at := 0; at < seg.n && p.err == nil && seg.err == nil; at += p.head.N {
		p.interject(p)
		p.clock.start()
		n := min(p.head.N, seg.n-at)
		for t := range n {
			p.headInput(t, seg.row+at+t)
		}
		p.headProduct(p.logits, nil, n, r.draft, seg.session.sparse)
		if seg.session.both {
			p.comparison(n)
		}
		p.clock.lap(StageHead)
		for t := 0; t < n && p.err == nil && seg.err == nil; t++ {
			i, logits := r.done+at+t, p.logits[t*vocab:][:vocab]
			seg.accepted++
			if seg.session.both {
				seg.session.predicted = p.compared[t*vocab:][:vocab]
			}
			if r == leader {
				seg.err = r.each(i, logits)
				continue
			}
			r.calls <- logitsCall{i, logits}
			seg.err = <-r.back
		}
	}
}

// headProduct multiplies the head's first n inputs with its matrix, or with the rows of it that are predicted. Of all logits it finds the peaks, unless
// peaks is nil.
func (p *pass) headProduct(dst, peaks []float32, n int, alone, sparse bool) {
	if p.err != nil {
		return
	}
	if sparse {
		p.sparseProduct(dst, n)
		return
	}
	p.now.head, p.now.peaks, p.now.headRows, p.now.headAlone = dst, peaks, n, alone
	p.bytes += p.weights.head.Bytes()
	p.check(p.pool.split(p.weights.head.Units(), kernel.PeakRun/p.weights.head.UnitRows(), &p.do.head))
}

func (p *pass) doHead(thread, from, to int) {
	w, multiply := &p.weights.head, kernel.Mul
	if p.now.headAlone {
		multiply = kernel.MulEach
	}
	multiply(p.now.head, w.Rows, w, from, to, p.head, p.all[:p.now.headRows], &p.threads[thread].Scratch)
	first, end := from*w.UnitRows(), min(to*w.UnitRows(), w.Rows) // whole runs of logits
	for t := range p.now.headRows {
		logits := p.now.head[t*w.Rows:][first:end]
		if c := p.config.LogitSoftcap; c != 0 {
			softcap(logits, c)
		}
		if p.now.peaks != nil {
			kernel.Peaks(p.now.peaks[t*peakRuns(w.Rows)+first/kernel.PeakRun:], logits)
		}
	}
}

// softcap bounds x: it becomes c·tanh(x/c) (Gemma Team, arXiv 2408.00118, section 2).
func softcap(x []float32, c float64) {
	for i, v := range x {
		x[i] = float32(c * math.Tanh(float64(v)/c))
	}
}
