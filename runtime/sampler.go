package runtime

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
)

// SamplerOptions say how the next token is drawn. A zero field turns its step off.
type SamplerOptions struct {
	Temperature   float64 // 0: always the most likely token
	TopK          int     // keep the k most likely tokens
	TopP          float64 // keep the most likely tokens that together reach probability p (nucleus sampling, arXiv 1904.09751)
	MinP          float64 // keep tokens of at least p times the probability of the most likely one
	RepeatPenalty float64 // divide positive logits of recent tokens by this, multiply negative ones (CTRL, arXiv 1909.05858)
	Seed          uint64
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
	} {
		if !(f.value >= f.min && f.value <= f.max) {
			if f.max > 1 {
				return fmt.Errorf("%s is %v: it must be 0 or more", f.name, f.value)
			}
			return fmt.Errorf("%s is %v: it must be between %v and %v", f.name, f.value, f.min, f.max)
		}
	}
	return nil
}

// Sampler draws tokens. The same options and the same logits give the same tokens.
type Sampler struct {
	opts   SamplerOptions
	rng    *rand.Rand
	recent []int32
	cands  candidates
}

// NewSampler returns a sampler, or an error that names the option out of range.
func NewSampler(o SamplerOptions) (*Sampler, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return &Sampler{opts: o, rng: rand.New(rand.NewPCG(o.Seed, 0))}, nil
}

// Accept adds a token to those that RepeatPenalty looks at: call it for the prompt's tokens.
func (s *Sampler) Accept(id int32) {
	if len(s.recent) == repeatWindow {
		copy(s.recent, s.recent[1:])
		s.recent = s.recent[:repeatWindow-1]
	}
	s.recent = append(s.recent, id)
}

// Sample draws the next token and accepts it. The steps follow llama.cpp's order: repeat penalty, top-k, top-p, min-p,
// temperature. It may change logits. Logits that are NaN are never drawn.
func (s *Sampler) Sample(logits []float32) int32 {
	s.penalize(logits)
	var id int32
	if s.opts.Temperature == 0 || s.opts.TopK == 1 {
		id = argmax(logits)
	} else {
		id = s.draw(s.keep(logits))
	}
	s.Accept(id)
	return id
}

func (s *Sampler) penalize(logits []float32) {
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

func argmax(logits []float32) int32 {
	best := 0
	for i, v := range logits {
		if v > logits[best] || logits[best] != logits[best] {
			best = i
		}
	}
	return int32(best)
}

// candidate is a token that may be drawn.
type candidate struct {
	id    int32
	logit float32
}

// candidates is a heap, most likely first; equal logits by id, so that the order is total.
type candidates []candidate

func (c candidates) Len() int      { return len(c) }
func (c candidates) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c candidates) Less(i, j int) bool {
	return c[i].logit > c[j].logit || c[i].logit == c[j].logit && c[i].id < c[j].id
}
func (c *candidates) Push(any) { panic("a heap of candidates only shrinks") }
func (c *candidates) Pop() any {
	old := *c
	*c = old[:len(old)-1]
	return old[len(old)-1]
}

// keep returns the tokens left by top-k, top-p and min-p. All three keep the likeliest so-and-so-many tokens, so they are
// taken off a heap one by one until one of the three has enough: the whole vocabulary is never sorted.
func (s *Sampler) keep(logits []float32) []candidate {
	s.cands = s.cands[:0]
	for id, v := range logits {
		if v == v {
			s.cands = append(s.cands, candidate{int32(id), v})
		}
	}
	if len(s.cands) == 0 {
		return []candidate{{0, 0}}
	}
	topP, limit := s.opts.TopP, len(s.cands)
	if topP == 0 {
		topP = 1
	}
	if s.opts.TopK > 0 {
		limit = min(limit, s.opts.TopK)
	}
	if limit == len(s.cands) && topP == 1 && s.opts.MinP == 0 {
		return s.cands
	}
	heap.Init(&s.cands)
	best := s.cands[0].logit
	if limit < len(s.cands) {
		// Top-p counts the probability that top-k left. Popped in order, the k best are a heap themselves.
		top := make(candidates, limit)
		for i := range top {
			top[i] = heap.Pop(&s.cands).(candidate)
		}
		s.cands = top
	}
	var total, sum float64
	for _, c := range s.cands {
		total += weight(c.logit, best)
	}
	var kept []candidate
	for s.cands.Len() > 0 && (sum < topP*total || topP == 1) {
		c := heap.Pop(&s.cands).(candidate)
		p := weight(c.logit, best)
		if p < s.opts.MinP {
			break
		}
		kept, sum = append(kept, c), sum+p
	}
	return kept
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
	var total float64
	for _, c := range kept {
		total += math.Pow(weight(c.logit, best), 1/s.opts.Temperature)
	}
	at := s.rng.Float64() * total
	for _, c := range kept {
		if at -= math.Pow(weight(c.logit, best), 1/s.opts.Temperature); at < 0 {
			return c.id
		}
	}
	return kept[len(kept)-1].id
}
