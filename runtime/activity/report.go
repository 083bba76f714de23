package activity

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Kind and Version are what a report's JSON begins with.
const (
	Kind    = "activity"
	Version = 1
)

// Report is what the experts of a model did on a text. The formulas are in the package's documentation.
type Report struct {
	Kind    string        `json:"report"`  // Kind
	Version int           `json:"version"` // Version
	Model   string        `json:"model"`   // file
	Text    string        `json:"text"`    // file, or what else it came from
	Context int           `json:"ctx"`     // most tokens in a window
	Tokens  int64         `json:"tokens"`
	Windows int64         `json:"windows"`
	Shape   Shape         `json:"shape"`
	Density *Density      `json:"density,omitempty"` // of all layers together; nil: the activation is dense
	HotSet  HotSet        `json:"hot_set"`           // of all layers' experts
	Layers  []LayerReport `json:"layers"`
}

// LayerReport is what the experts of a layer did. Layer is its number in the model, where layers without experts count too.
type LayerReport struct {
	Layer            int            `json:"layer"`
	Entropy          float64        `json:"entropy_bits"`
	MaxEntropy       float64        `json:"max_entropy_bits"`
	Locality         float64        `json:"locality"` // 0 if no token has one before it
	LocalityByChance float64        `json:"locality_by_chance"`
	HotSet           HotSet         `json:"hot_set"`
	Density          *Density       `json:"density,omitempty"`
	Experts          []ExpertReport `json:"experts"` // in order of their numbers
	Pairs            []Pair         `json:"pairs"`   // those that most prefer each other, the strongest first
}

// ExpertReport is what one expert did.
type ExpertReport struct {
	Expert     int     `json:"expert"`
	Uses       int64   `json:"uses"`
	Frequency  float64 `json:"frequency"`
	MeanWeight float64 `json:"mean_weight"` // when it is chosen; 0 if it never was
	// Density is the mean; 0 if the expert was never chosen, nil if the activation is dense.
	Density *float64 `json:"density,omitempty"`
	Partner int      `json:"partner"` // the expert with which it is the strongest pair; −1: it was never chosen with another
	Lift    float64  `json:"partner_lift"`
}

// HotSet tells how many experts have so many percent of all uses.
type HotSet struct {
	Uses50 int `json:"uses_50"`
	Uses80 int `json:"uses_80"`
	Uses95 int `json:"uses_95"`
}

// Pair are two experts of a layer.
type Pair struct {
	Experts  [2]int  `json:"experts"`
	Together int64   `json:"together"` // tokens that chose both
	Expected float64 `json:"expected"` // if their choices were independent
	Lift     float64 `json:"lift"`

	strength float64
}

// maxPairs is the number of a layer's pairs that are reported.
const maxPairs = 10

// evidence is how many tokens draw a lift towards 1 when pairs are ranked.
const evidence = 5

// Report tells what was counted so far. Model, Text and Context are left to the caller. It fails if a weight was not finite.
func (c *Collector) Report() (*Report, error) {
	r := &Report{Kind: Kind, Version: Version, Shape: c.shape}
	var density []int64
	if c.sparse {
		density = make([]int64, c.shape.Neurons+1)
	}
	var uses []int64
	for i := range c.layers {
		l := &c.layers[i]
		for e := range l.experts {
			if sum := l.experts[e].weight; math.IsNaN(sum) || math.IsInf(sum, 0) {
				return nil, fmt.Errorf("layer %d: the router gives expert %d a weight that is not finite: "+
					"weights of the model, of this layer or an earlier one, are damaged or not finite", l.number, e)
			}
		}
		r.Layers = append(r.Layers, l.report(c.shape.TopK))
		uses = append(uses, l.uses()...)
		for active, n := range l.density {
			density[active] += n
		}
	}
	if len(c.layers) > 0 {
		r.Tokens, r.Windows = c.layers[0].tokens, c.layers[0].tokens-c.layers[0].steps
	}
	r.Density, r.HotSet = newDensity(density), newHotSet(uses)
	return r, nil
}

func newHotSet(uses []int64) HotSet {
	return HotSet{len(hotSet(uses, 50)), len(hotSet(uses, 80)), len(hotSet(uses, 95))}
}

func (l *layerCounts) uses() []int64 {
	uses := make([]int64, len(l.experts))
	for i := range l.experts {
		uses[i] = l.experts[i].uses
	}
	return uses
}

func (l *layerCounts) report(topK int) LayerReport {
	uses := l.uses()
	r := LayerReport{Layer: l.number, Entropy: entropy(distribution(uses)), MaxEntropy: math.Log2(float64(len(uses))),
		HotSet: newHotSet(uses), Density: newDensity(l.density)}
	if l.steps > 0 {
		r.Locality = float64(l.kept) / float64(l.steps*int64(topK))
	}
	pairs := l.pairs()
	r.Pairs = pairs[:min(maxPairs, len(pairs))]
	for i := range l.experts {
		e := &l.experts[i]
		x := ExpertReport{Expert: i, Uses: e.uses, Partner: -1}
		if l.density != nil {
			density := float64(e.active) / float64(max(1, e.uses)) / float64(len(l.density)-1)
			x.Density = &density
		}
		if e.uses > 0 {
			x.Frequency = float64(e.uses) / float64(l.tokens)
			x.MeanWeight = e.weight / float64(e.uses)
			r.LocalityByChance += x.Frequency * x.Frequency / float64(topK)
		}
		if j := slices.IndexFunc(pairs, func(p Pair) bool { return p.Experts[0] == i || p.Experts[1] == i }); j >= 0 {
			x.Partner, x.Lift = pairs[j].Experts[0]+pairs[j].Experts[1]-i, pairs[j].Lift
		}
		r.Experts = append(r.Experts, x)
	}
	return r
}

// pairs returns the pairs of experts that tokens chose together, the strongest first.
func (l *layerCounts) pairs() []Pair {
	pairs := []Pair{}
	for a := range l.experts {
		for b := a + 1; b < len(l.experts); b++ {
			together := l.together[l.pair(int32(a), int32(b))]
			if together == 0 {
				continue
			}
			expected := float64(l.experts[a].uses) * float64(l.experts[b].uses) / float64(l.tokens)
			pairs = append(pairs, Pair{[2]int{a, b}, together, expected, float64(together) / expected,
				(float64(together) + evidence) / (expected + evidence)})
		}
	}
	slices.SortStableFunc(pairs, func(a, b Pair) int { return cmp.Compare(b.strength, a.strength) })
	return pairs
}
