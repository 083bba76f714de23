package runtime

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"

	"st/runtime/kernel"
)

// SamplerOptions say how the next token is drawn. A zero field turns its step off.
type SamplerOptions struct {
	Temperature   float64 // 0: always the most likely token
	TopK          int     // keep the k most likely tokens
	TopP          float64 // keep the most likely tokens that together reach probability p (nucleus sampling, arXiv 1904.09751)
	MinP          float64 // keep tokens of at least p times the probability of the most likely one
	RepeatPenalty float64 // divide positive logits of recent tokens by this, multiply negative ones (CTRL, arXiv 1909.05858)
	Seed          uint64

	// PresencePenalty is subtracted from the logits of tokens that were drawn, and FrequencyPenalty as often as they were (OpenAI's API).
	// Less than 0 favours them.
	PresencePenalty, FrequencyPenalty float64
	// LogitBias is added to the logits of tokens, before all else.
	LogitBias map[int32]float64
}

// Equal reports whether two samplers with these options draw the same tokens.
func (o SamplerOptions) Equal(p SamplerOptions) bool {
	return o.Temperature == p.Temperature && o.TopK == p.TopK && o.TopP == p.TopP && o.MinP == p.MinP && o.RepeatPenalty == p.RepeatPenalty &&
		o.Seed == p.Seed && o.PresencePenalty == p.PresencePenalty && o.FrequencyPenalty == p.FrequencyPenalty && maps.Equal(o.LogitBias, p.LogitBias)
}

// repeatWindow is the number of tokens that RepeatPenalty looks back: llama.cpp's default.
const repeatWindow = 64

// Validate reports an option that is out of range.
func (o SamplerOptions) Validate() error {
	for _, f := range []struct {
		name     string
		value    float64
		min, max float64
	}{
		{"temperature", o.Temperature, 0, math.MaxFloat32},
		{"top-p", o.TopP, 0, 1},
		{"min-p", o.MinP, 0, 1},
		{"repeat penalty", o.RepeatPenalty, 0, math.MaxFloat32},
		{"top-k", float64(o.TopK), 0, math.MaxInt32},
		{"presence penalty", o.PresencePenalty, -maxPenalty, maxPenalty},
		{"frequency penalty", o.FrequencyPenalty, -maxPenalty, maxPenalty},
	} {
		if !(f.value >= f.min && f.value <= f.max) {
			if f.max > maxPenalty {
				return fmt.Errorf("%s is %v: it must be 0 or more", f.name, f.value)
			}
			return fmt.Errorf("%s is %v: it must be between %v and %v", f.name, f.value, f.min, f.max)
		}
	}
	for id, bias := range o.LogitBias {
		if math.IsNaN(bias) || math.IsInf(bias, 0) {
			return fmt.Errorf("logit bias of token %d is %v: it must be finite", id, bias)
		}
	}
	return nil
}

// maxPenalty bounds presence and frequency penalties: more than logits differ by.
const maxPenalty = 100

// Sampler draws tokens. The same options and the same logits give the same tokens.
type Sampler struct {
	opts   SamplerOptions
	rng    *rand.Rand
	source *rand.PCG
	recent []int32
	drawn  map[int32]int // how often; nil: no option asks
	cands  []candidate
	kept   []candidate
	peaks  []float32 // the largest logit of every run of kernel.PeakRun
	given  []float32 // the same by the caller; nil: the sampler finds them
	least  []float32 // memory of kth

	weights []float64 // of the tokens that may be drawn
}

// NewSampler returns a sampler, or an error that names the option out of range.
func NewSampler(o SamplerOptions) (*Sampler, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	source := rand.NewPCG(o.Seed, 0)
	s := &Sampler{opts: o, rng: rand.New(source), source: source}
	if o.PresencePenalty != 0 || o.FrequencyPenalty != 0 {
		s.drawn = map[int32]int{}
	}
	return s, nil
}

// Accept adds a token to those that RepeatPenalty looks at: call it for the prompt's tokens.
func (s *Sampler) Accept(id int32) {
	if len(s.recent) == repeatWindow {
		copy(s.recent, s.recent[1:])
		s.recent = s.recent[:repeatWindow-1]
	}
	s.recent = append(s.recent, id)
}

// Forget empties the window that RepeatPenalty looks at, and what the other penalties count. The random numbers go on.
func (s *Sampler) Forget() {
	s.recent = s.recent[:0]
	clear(s.drawn)
}

// samplerMark is a sampler's state, to which it can be taken back.
type samplerMark struct {
	source rand.PCG
	recent [repeatWindow]int32
	n      int // of recent
}

func (s *Sampler) mark() (m samplerMark) {
	m.source, m.n = *s.source, copy(m.recent[:], s.recent)
	return m
}

// rewind takes the sampler back to where so many tokens had not been drawn.
func (s *Sampler) rewind(m *samplerMark, drawn []int32) {
	*s.source = m.source
	s.recent = append(s.recent[:0], m.recent[:m.n]...)
	if s.drawn == nil {
		return
	}
	for _, id := range drawn {
		if s.drawn[id]--; s.drawn[id] <= 0 {
			delete(s.drawn, id)
		}
	}
}

// Sample draws the next token and accepts it. The steps follow llama.cpp's order: logit bias, penalties, top-k, top-p, min-p,
// temperature. It may change logits. Logits that are NaN are never drawn.
func (s *Sampler) Sample(logits []float32) int32 { return s.SamplePeaks(logits, nil) }

// SamplePeaks is Sample with the largest of every [kernel.PeakRun] logits, which are changed as the logits are: see [engine.Session.Peaks]. The sampler
// finds them itself if peaks is nil.
func (s *Sampler) SamplePeaks(logits, peaks []float32) int32 {
	s.given = peaks
	s.penalize(logits)
	var id int32
	if s.opts.Temperature == 0 || s.opts.TopK == 1 {
		id = s.argmax(logits)
	} else {
		id = s.draw(s.keep(logits))
	}
	s.given = nil
	s.Accept(id)
	if s.drawn != nil {
		s.drawn[id]++
	}
	return id
}

// penalize changes logits by bias and penalties.
func (s *Sampler) penalize(logits []float32) {
	for id, bias := range s.opts.LogitBias {
		if id >= 0 && int(id) < len(logits) {
			logits[id] += float32(bias)
			s.changed(logits, id)
		}
	}
	s.penalizeRecent(logits)
	for id, n := range s.drawn {
		if int(id) < len(logits) {
			logits[id] -= float32(float64(n)*s.opts.FrequencyPenalty + s.opts.PresencePenalty)
			s.changed(logits, id)
		}
	}
}

func (s *Sampler) penalizeRecent(logits []float32) {
	p := float32(s.opts.RepeatPenalty)
	if p == 0 || p == 1 {
		return
	}
	for i, id := range s.recent {
		if !first(s.recent[:i], id) || int(id) >= len(logits) {
			continue
		}
		if logits[id] > 0 {
			logits[id] /= p
		} else {
			logits[id] *= p
		}
		s.changed(logits, id)
	}
}

// changed brings the peak of a token's run up to date, if it was given.
func (s *Sampler) changed(logits []float32, id int32) {
	if s.given != nil {
		run := int(id) / kernel.PeakRun
		kernel.Peaks(s.given[run:], logits[run*kernel.PeakRun:min((run+1)*kernel.PeakRun, len(logits))])
	}
}

// first reports whether id does not occur in earlier.
func first(earlier []int32, id int32) bool {
	for _, e := range earlier {
		if e == id {
			return false
		}
	}
	return true
}

// argmax returns the first of the largest logits.
func (s *Sampler) argmax(logits []float32) int32 {
	peaks := s.findPeaks(logits)
	run := argmax(peaks)
	first := run * kernel.PeakRun
	if math.IsInf(float64(peaks[run]), -1) { // there may be NaN alone
		return int32(argmax(logits))
	}
	return int32(first + argmax(logits[first:min(first+kernel.PeakRun, len(logits))]))
}

func argmax(logits []float32) int {
	best := 0
	for i, v := range logits {
		if v > logits[best] || logits[best] != logits[best] {
			best = i
		}
	}
	return best
}

// findPeaks returns the runs' largest logits. A vocabulary has more than a hundred thousand, and few of them matter.
func (s *Sampler) findPeaks(logits []float32) []float32 {
	if s.given != nil {
		return s.given
	}
	s.peaks = slices.Grow(s.peaks[:0], len(logits)/kernel.PeakRun+1)
	s.peaks = s.peaks[:kernel.Peaks(s.peaks[:cap(s.peaks)], logits)]
	return s.peaks
}

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

// draw picks one of the candidates, after temperature.
func (s *Sampler) draw(kept []candidate) int32 {
	best := kept[0].logit
	last := kept[0].id
	var total float64
	s.weights = s.weights[:0]
	for _, c := range kept {
		w := math.Pow(weight(c.logit, best), 1/s.opts.Temperature)
		s.weights = append(s.weights, w)
		total += w
	}
	at := s.rng.Float64() * total
	for i, w := range s.weights {
		if at -= w; at < 0 {
			return kept[i].id
		}
		if w > 0 { // rounding must not lead to one that cannot be drawn
			last = kept[i].id
		}
	}
	return last
}
