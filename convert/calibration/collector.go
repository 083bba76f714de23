package calibration

import "st/format"

// Collector adds up squares of what a run of a model shows it, as the runtime's observer.
type Collector struct {
	config *format.Config
	tokens int64
	layers []layerSums
	head   sums
}

// sums of squares, weighted; in float64, because millions of tokens are added up.
type sums struct {
	squares []float64
	weight  float64
	tokens  int64
}

type layerSums struct {
	in, out sums   // of attention
	experts []sums // inputs weighted with the squares of the router's weights, which the output's errors are multiplied with
}

// NewCollector returns one for a model.
func NewCollector(c *format.Config) *Collector {
	k := &Collector{config: c, layers: make([]layerSums, c.Layers), head: newSums(c.Hidden)}
	for l := range k.layers {
		k.layers[l] = layerSums{in: newSums(c.Hidden), out: newSums(c.Heads * c.HeadDim), experts: make([]sums, c.Experts)}
		for x := range k.layers[l].experts {
			k.layers[l].experts[x] = newSums(c.Hidden)
		}
	}
	return k
}

func newSums(cols int) sums { return sums{squares: make([]float64, cols)} }

func (s *sums) add(x []float32, weight float64) {
	for i, v := range x[:len(s.squares)] {
		s.squares[i] += weight * float64(v) * float64(v)
	}
	s.weight += weight
	s.tokens++
}

// all adds every row of x.
func (s *sums) all(x []float32) {
	for ; len(x) > 0; x = x[len(s.squares):] {
		s.add(x, 1)
	}
}

// mean returns the mean squares.
func (s *sums) mean() []float32 {
	m := make([]float32, len(s.squares))
	if s.weight > 0 {
		for i, v := range s.squares {
			m[i] = float32(v / s.weight)
		}
	}
	return m
}

// AttentionInput, AttentionOutput, ExpertInput and HeadInput are an observer's: see the runtime package.
func (k *Collector) AttentionInput(layer int, x []float32) { k.layers[layer].in.all(x) }

func (k *Collector) AttentionOutput(layer int, x []float32) { k.layers[layer].out.all(x) }

func (k *Collector) ExpertInput(layer int, x []float32, experts []int32, weights []float32) {
	for i, expert := range experts {
		row := x[i/k.config.ExpertsPerToken*k.config.Hidden:][:k.config.Hidden]
		k.layers[layer].experts[expert].add(row, float64(weights[i])*float64(weights[i]))
	}
}

func (k *Collector) HeadInput(x []float32) {
	k.head.all(x)
	k.tokens += int64(len(x) / k.config.Hidden)
}

// Shrink is the number of tokens' worth of the layer's mean that is mixed into every expert's: one that few tokens have
// reached is mostly taken for an average one.
const Shrink = 64

// Statistics returns the means of what was seen so far.
func (k *Collector) Statistics() *Statistics {
	s := &Statistics{tensors: map[string]matrix{}}
	for l := range k.layers {
		layer := &k.layers[l]
		s.put(attentionIn(l), layer.in.mean())
		s.put(attentionOut(l), layer.out.mean())
		all := newSums(k.config.Hidden)
		for x := range layer.experts {
			for i, v := range layer.experts[x].squares {
				all.squares[i] += v
			}
			all.weight += layer.experts[x].weight
		}
		average := all.mean()
		var rows [][]float32
		tokens := make([]float32, len(layer.experts))
		for x := range layer.experts {
			e := &layer.experts[x]
			m := e.mean()
			own := float32(e.tokens) / float32(e.tokens+Shrink)
			for i := range m {
				m[i] = own*m[i] + (1-own)*average[i]
			}
			rows = append(rows, m)
			tokens[x] = float32(e.tokens)
		}
		s.put(expertsIn(l), rows...)
		s.put(expertsTokens(l), tokens)
	}
	s.put(headIn, k.head.mean())
	s.put(tokensSeen, []float32{float32(k.tokens)})
	return s
}
