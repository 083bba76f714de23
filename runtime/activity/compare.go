package activity

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Comparison tells how the experts behave on two texts, A and B. What has no layer is the mean of all layers, or of all experts.
type Comparison struct {
	Kind         string            `json:"report"` // ComparisonKind
	Version      int               `json:"version"`
	A            Source            `json:"a"`
	B            Source            `json:"b"`
	Shape        Shape             `json:"shape"`
	Variation    float64           `json:"total_variation"`
	ByChance     float64           `json:"total_variation_by_chance"`
	Divergence   float64           `json:"jensen_shannon_bits"`
	Overlap      Overlap           `json:"hot_overlap"`
	DensityShift *float64          `json:"density_difference,omitempty"` // mean of B − mean of A; nil: the activation is dense
	Changed      []ExpertChange    `json:"changed"`                      // the experts that changed most
	Layers       []LayerComparison `json:"layers"`
}

// ComparisonKind is what a comparison's JSON begins with; its version is [Version].
const ComparisonKind = "activity comparison"

// Source says what one of the reports is about.
type Source struct {
	Model   string   `json:"model"`
	Text    string   `json:"text"`
	Tokens  int64    `json:"tokens"`
	Density *Density `json:"density,omitempty"`
}

// LayerComparison tells how a layer differs.
type LayerComparison struct {
	Layer        int            `json:"layer"`
	Variation    float64        `json:"total_variation"`
	ByChance     float64        `json:"total_variation_by_chance"`
	Divergence   float64        `json:"jensen_shannon_bits"`
	Overlap      Overlap        `json:"hot_overlap"`
	DensityShift *float64       `json:"density_difference,omitempty"`
	Experts      []ExpertChange `json:"experts"` // all of them, in order of their numbers
}

// Overlap is what the sets of experts that have so many percent of the uses have in common.
type Overlap struct {
	Uses50 float64 `json:"uses_50"`
	Uses80 float64 `json:"uses_80"`
	Uses95 float64 `json:"uses_95"`
}

// ExpertChange tells how an expert differs.
type ExpertChange struct {
	Layer      int     `json:"layer"`
	Expert     int     `json:"expert"`
	FrequencyA float64 `json:"frequency_a"`
	FrequencyB float64 `json:"frequency_b"`
	Difference float64 `json:"frequency_difference"` // B − A
}

// maxChanged is the number of experts in Comparison.Changed.
const maxChanged = 10

// Compare tells how two reports differ, which must be of models of one shape.
func Compare(a, b *Report) (*Comparison, error) {
	if a.Shape != b.Shape {
		return nil, fmt.Errorf("the models have different shapes: %v, and %v", a.Shape, b.Shape)
	}
	for i := range a.Layers {
		if x, y := a.Layers[i].Layer, b.Layers[i].Layer; x != y {
			return nil, fmt.Errorf("the models have experts in different layers: one in layer %d where the other has them in layer %d", x, y)
		}
	}
	if (a.Density == nil) != (b.Density == nil) {
		return nil, errors.New("the models have different activations: one leaves neurons inactive, the other does not")
	}
	c := &Comparison{
		Kind: ComparisonKind, Version: Version, Shape: a.Shape,
		A: Source{a.Model, a.Text, a.Tokens, a.Density}, B: Source{b.Model, b.Text, b.Tokens, b.Density},
		DensityShift: shift(a.Density, b.Density),
	}
	var allA, allB []int64
	for i := range a.Layers {
		usesA, usesB := a.Layers[i].uses(), b.Layers[i].uses()
		allA, allB = append(allA, usesA...), append(allB, usesB...)
		qA, qB := distribution(usesA), distribution(usesB)
		pooled := make([]float64, len(usesA))
		number := a.Layers[i].Layer
		l := LayerComparison{Layer: number, Variation: totalVariation(qA, qB), Divergence: jensenShannon(qA, qB),
			Overlap: newOverlap(usesA, usesB), DensityShift: shift(a.Layers[i].Density, b.Layers[i].Density)}
		for e := range usesA {
			pooled[e] = float64(usesA[e]+usesB[e]) / float64(a.Tokens+b.Tokens)
			pA, pB := float64(usesA[e])/float64(a.Tokens), float64(usesB[e])/float64(b.Tokens)
			l.Experts = append(l.Experts, ExpertChange{number, e, pA, pB, pB - pA})
		}
		l.ByChance = chanceVariation(pooled, a.Shape.TopK, a.Tokens, b.Tokens)
		c.Layers = append(c.Layers, l)
		c.Changed = append(c.Changed, l.Experts...)
		n := float64(len(a.Layers))
		c.Variation += l.Variation / n
		c.ByChance += l.ByChance / n
		c.Divergence += l.Divergence / n
	}
	c.Overlap = newOverlap(allA, allB)
	c.Changed = MostChanged(c.Changed, maxChanged)
	return c, nil
}

// shift returns the mean density of b minus that of a; nil without densities.
func shift(a, b *Density) *float64 {
	if a == nil || b == nil {
		return nil
	}
	d := b.Mean - a.Mean
	return &d
}

// MostChanged returns the n experts whose frequency differs most, the largest difference first.
func MostChanged(all []ExpertChange, n int) []ExpertChange {
	order := slices.Clone(all)
	slices.SortStableFunc(order, func(x, y ExpertChange) int {
		return cmp.Compare(math.Abs(y.Difference), math.Abs(x.Difference))
	})
	return order[:min(n, len(order))]
}

func newOverlap(a, b []int64) Overlap {
	of := func(percent int64) float64 { return overlap(hotSet(a, percent), hotSet(b, percent)) }
	return Overlap{of(50), of(80), of(95)}
}

func (l *LayerReport) uses() []int64 {
	uses := make([]int64, len(l.Experts))
	for i := range l.Experts {
		uses[i] = l.Experts[i].Uses
	}
	return uses
}

// String describes a shape in words.
func (s Shape) String() string {
	return fmt.Sprintf("%d layers of %d experts, %d chosen by a token, of %d neurons each", s.Layers, s.Experts, s.TopK, s.Neurons)
}
