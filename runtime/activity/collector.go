package activity

import "slices"

// Shape is the part of a model's architecture that its activity is about.
type Shape struct {
	Layers  int `json:"layers"`
	Experts int `json:"experts"` // of a layer
	TopK    int `json:"top_k"`   // experts that a token chooses
	Neurons int `json:"neurons"` // of an expert
}

// Collector counts what the experts of a run do. It is the runtime's ExpertObserver.
type Collector struct {
	shape  Shape
	layers []layerCounts
}

type layerCounts struct {
	tokens, steps int64 // steps: tokens that have one before them
	kept          int64 // uses of experts that the token before used
	previous      []int32
	experts       []expertCounts
	together      []int64 // [experts, experts] tokens that chose both a and b, a < b
	density       []int64 // [neurons + 1] how often so many neurons of an expert were active
}

type expertCounts struct {
	uses, active int64
	weight       float64
}

// NewCollector returns a collector for a model of shape s.
func NewCollector(s Shape) *Collector {
	c := &Collector{shape: s, layers: make([]layerCounts, s.Layers)}
	for l := range c.layers {
		c.layers[l] = layerCounts{
			previous: make([]int32, 0, s.TopK), experts: make([]expertCounts, s.Experts),
			together: make([]int64, s.Experts*s.Experts), density: make([]int64, s.Neurons+1),
		}
	}
	return c
}

// ExpertsUsed counts what consecutive tokens did in a layer: the experts that each chose [n, top-k], their weights, and how
// many of their neurons were active.
func (c *Collector) ExpertsUsed(layer int, experts []int32, weights []float32, active []int32) {
	l, k := &c.layers[layer], c.shape.TopK
	for at := 0; at < len(experts); at += k {
		l.token(experts[at:at+k], weights[at:], active[at:])
	}
}

func (l *layerCounts) token(chosen []int32, weights []float32, active []int32) {
	l.tokens++
	if len(l.previous) > 0 {
		l.steps++
	}
	for i, id := range chosen {
		e := &l.experts[id]
		e.uses++
		e.weight += float64(weights[i])
		e.active += int64(active[i])
		l.density[active[i]]++
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

// EndSequence says that the next token does not follow the last one.
func (c *Collector) EndSequence() {
	for l := range c.layers {
		c.layers[l].previous = c.layers[l].previous[:0]
	}
}
