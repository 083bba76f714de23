package runtime

import (
	"math"
	"math/rand/v2"
)

// repeatWindow is the number of tokens that RepeatPenalty looks back: llama.cpp's default.
const repeatWindow = 64

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

// first reports whether id does not occur in earlier.
func first(earlier []int32, id int32) bool {
	for _, e := range earlier {
		if e == id {
			return false
		}
	}
	return true
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
