package activity

import (
	"errors"
	"slices"

	"st/format"
)

// Shape is the part of a model's architecture that its activity is about.
type Shape struct {
	Layers  int `json:"layers"`  // that have experts
	Experts int `json:"experts"` // of a layer
	TopK    int `json:"top_k"`   // experts that a token chooses
	Neurons int `json:"neurons"` // of an expert
}

// ErrDense: the model has no experts.
var ErrDense = errors.New("the model is dense: it has no experts")

// Collector counts what the experts of a run do. It is the engine's ExpertObserver. Its methods are called by one goroutine at a time.
type Collector struct {
	shape  Shape
	sparse bool          // the activation leaves neurons inactive
	layers []layerCounts // those that have experts, in order
	index  map[int]int   // in layers, by the layer's number in the model
}

type layerCounts struct {
	number        int   // of the layer in the model
	tokens, steps int64 // steps: tokens that have one before them
	kept          int64 // uses of experts that the token before used
	previous      []int32
	experts       []expertCounts
	together      []int64 // [experts, experts] tokens that chose both a and b, a < b
	density       []int64 // [neurons + 1] how often so many neurons of an expert were active; nil: all always are
}

type expertCounts struct {
	uses, active int64
	weight       float64
}

// NewCollector returns a collector for a model. With a dense activation, such as SiLU, all neurons of an expert are active, and reports
// have no density. The error is [ErrDense].
func NewCollector(c *format.Config) (*Collector, error) {
	if c.MoE == nil {
		return nil, ErrDense
	}
	moe := c.MoELayers()
	s := &Collector{
		shape:  Shape{Layers: len(moe), Experts: c.MoE.Experts, TopK: c.MoE.ExpertsPerToken, Neurons: c.MoE.ExpertFFN},
		sparse: c.Activation == format.ReLU, layers: make([]layerCounts, len(moe)), index: map[int]int{},
	}
	for i, number := range moe {
		s.index[number] = i
		s.layers[i] = layerCounts{
			number: number, previous: make([]int32, 0, s.shape.TopK), experts: make([]expertCounts, s.shape.Experts),
			together: make([]int64, s.shape.Experts*s.shape.Experts),
		}
		if s.sparse {
			s.layers[i].density = make([]int64, s.shape.Neurons+1)
		}
	}
	return s, nil
}

// CollectorBytes returns the memory that a [Collector] of a model takes.
func CollectorBytes(c *format.Config) int64 {
	if c.MoE == nil {
		return 0
	}
	experts, neurons := int64(c.MoE.Experts), int64(0)
	if c.Activation == format.ReLU {
		neurons = int64(c.MoE.ExpertFFN) + 1
	}
	return int64(len(c.MoELayers())) * 8 * (3*experts + experts*experts + neurons)
}

// ExpertsUsed counts what consecutive tokens did in a layer of the model: the experts that each chose [n, top-k], their weights, and
// how many of their neurons were active, which is not looked at if the activation is dense.
func (c *Collector) ExpertsUsed(layer int, experts []int32, weights []float32, active []int32) {
	l, k := &c.layers[c.index[layer]], c.shape.TopK
	for at := 0; at < len(experts); at += k {
		if c.sparse {
			l.countActive(experts[at:at+k], active[at:])
		}
		l.token(experts[at:at+k], weights[at:])
	}
}

func (l *layerCounts) countActive(chosen, active []int32) {
	for i, id := range chosen {
		l.experts[id].active += int64(active[i])
		l.density[active[i]]++
	}
}

func (l *layerCounts) token(chosen []int32, weights []float32) {
	l.tokens++
	if len(l.previous) > 0 {
		l.steps++
	}
	for i, id := range chosen {
		e := &l.experts[id]
		e.uses++
		e.weight += float64(weights[i])
		if slices.Contains(l.previous, id) {
			l.kept++
		}
		for _, other := range chosen[:i] {
			l.together[l.pair(id, other)]++
		}
	}
	l.previous = append(l.previous[:0], chosen...)
}

// pair returns where together counts two experts.
func (l *layerCounts) pair(a, b int32) int { return int(min(a, b))*len(l.experts) + int(max(a, b)) }

// EndSequence tells that the next token does not follow the last one.
func (c *Collector) EndSequence() {
	for l := range c.layers {
		c.layers[l].previous = c.layers[l].previous[:0]
	}
}
