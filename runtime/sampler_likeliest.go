package runtime

import (
	"math"
	"slices"

	"st/runtime/kernel"
)

// candidate is a token that may be drawn.
type candidate struct {
	id    int32
	logit float32
}

// likelier orders candidates, most likely first; equal logits by id, so that the order is total.
func likelier(a, b candidate) int {
	switch {
	case a.logit > b.logit:
		return -1
	case a.logit < b.logit:
		return 1
	}
	return int(a.id - b.id)
}

// keep returns the tokens left by top-k, top-p and min-p, the likeliest first if any of the three is on.
func (s *Sampler) keep(logits []float32) []candidate {
	topP := s.opts.TopP
	if topP == 0 {
		topP = 1
	}
	if k := s.opts.TopK; k > 0 && k < len(logits) {
		s.likeliest(logits, k)
	} else {
		s.all(logits)
		if topP == 1 && s.opts.MinP == 0 && len(s.cands) > 0 {
			return s.cands
		}
	}
	if len(s.cands) == 0 {
		return append(s.cands, candidate{0, 0})
	}
	// Top-p counts the probability that top-k left. It and min-p keep the likeliest so-and-so-many tokens, which are taken
	// off a heap one by one until there are enough: a whole vocabulary is never sorted.
	h := s.cands
	heapify(h)
	best := h[0].logit
	var total, sum float64
	for _, c := range h {
		total += weight(c.logit, best)
	}
	kept := s.kept[:0]
	for len(h) > 0 && (sum < topP*total || topP == 1) {
		p := weight(h[0].logit, best)
		if p < s.opts.MinP {
			break
		}
		kept, sum = append(kept, h[0]), sum+p
		h[0] = h[len(h)-1]
		h = h[:len(h)-1]
		siftDown(h, 0)
	}
	s.kept = kept
	return kept
}

// all makes every token a candidate.
func (s *Sampler) all(logits []float32) {
	s.cands = s.cands[:0]
	for id, v := range logits {
		if v == v {
			s.cands = append(s.cands, candidate{int32(id), v})
		}
	}
}

// likeliest makes candidates of the k likeliest tokens, or of fewer if the others are NaN. The k-th largest peak is a bound: k logits reach it, and
// only the runs whose peaks do are looked at.
func (s *Sampler) likeliest(logits []float32, k int) {
	peaks, floor := s.findPeaks(logits), float32(math.Inf(-1))
	if k < len(peaks) {
		floor = s.kth(peaks, k)
	}
	best := top{c: s.cands[:0], k: k, limit: float32(math.Inf(-1))}
	for run, peak := range peaks {
		if peak >= floor {
			first := run * kernel.PeakRun
			best.add(logits[first:min(first+kernel.PeakRun, len(logits))], first, floor)
		}
	}
	s.cands = best.end()
}

// kth returns the k-th largest of the numbers of x, of which there are k or more and none is NaN: the root of a heap of the k largest, the least of which
// is on top.
func (s *Sampler) kth(x []float32, k int) float32 {
	h := append(s.least[:0], x[:k]...)
	down := func(i int) {
		for {
			least := i
			for child := 2*i + 1; child <= 2*i+2 && child < k; child++ {
				if h[child] < h[least] {
					least = child
				}
			}
			if least == i {
				return
			}
			h[i], h[least] = h[least], h[i]
			i = least
		}
	}
	for i := k/2 - 1; i >= 0; i-- {
		down(i)
	}
	for _, v := range x[k:] {
		if v > h[0] {
			h[0] = v
			down(0)
		}
	}
	s.least = h
	return h[0]
}

// top collects the k likeliest candidates. Whenever there are 2k, the lesser half is dropped, and from then on only what is likelier than all of
// that is collected.
type top struct {
	c     []candidate
	k     int
	limit float32
	full  bool
}

// add adds logits of at least floor; that of id first comes first. NaN is left out.
func (t *top) add(logits []float32, first int, floor float32) {
	for i, v := range logits {
		if !(v >= floor) || t.full && !(v > t.limit) { // of equal ones the first, which is there already, wins
			continue
		}
		if t.c = append(t.c, candidate{int32(first + i), v}); len(t.c) == 2*t.k {
			slices.SortFunc(t.c, likelier)
			t.c, t.limit, t.full = t.c[:t.k], t.c[t.k-1].logit, true
		}
	}
}

// end returns the k likeliest, or all if there are fewer, the likeliest first.
func (t *top) end() []candidate {
	slices.SortFunc(t.c, likelier)
	return t.c[:min(t.k, len(t.c))]
}

// heapify makes a heap of candidates: each is no less likely than those at 2i+1 and 2i+2.
func heapify(h []candidate) {
	for i := len(h)/2 - 1; i >= 0; i-- {
		siftDown(h, i)
	}
}

// siftDown restores the heap when entry i may be less likely than those below.
func siftDown(h []candidate, i int) {
	for {
		top := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h); child++ {
			if likelier(h[child], h[top]) < 0 {
				top = child
			}
		}
		if top == i {
			return
		}
		h[i], h[top] = h[top], h[i]
		i = top
	}
}

// weight is the probability of a logit relative to the best one's.
func weight(logit, best float32) float64 {
	if logit == best {
		return 1 // also when both are infinite
	}
	return math.Exp(float64(logit) - float64(best))
}
