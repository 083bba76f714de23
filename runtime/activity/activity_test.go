package activity

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"st/format"
)

// The numbers below were worked out by hand.
var about = cmp.Options{cmpopts.EquateApprox(0, 1e-12), cmpopts.IgnoreUnexported(Pair{})}

// collector returns one of a model of a shape whose layers all have experts.
func collector(s Shape) *Collector {
	c, err := NewCollector(&format.Config{Layers: s.Layers, MoE: &format.MoE{Experts: s.Experts, ExpertsPerToken: s.TopK, ExpertFFN: s.Neurons}})
	if err != nil {
		panic(err)
	}
	return c
}

func number(v float64) *float64 { return &v }

// collect runs two sequences, of three tokens and of one, through a model of one layer of four experts with ten neurons, of
// which a token chooses two.
func collect() *Collector {
	c := collector(Shape{Layers: 1, Experts: 4, TopK: 2, Neurons: 10})
	c.ExpertsUsed(0, []int32{0, 1, 1, 0}, []float32{0.75, 0.25, 0.5, 0.5}, []int32{0, 2, 4, 10})
	c.ExpertsUsed(0, []int32{2, 0}, []float32{0.625, 0.375}, []int32{2, 4}) // goes on from the two
	c.EndSequence()
	c.ExpertsUsed(0, []int32{0, 2}, []float32{1, 0}, []int32{3, 5}) // shares both with the last, which is not before it
	return c
}

func report(t *testing.T, c *Collector) *Report {
	t.Helper()
	r, err := c.Report()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReport(t *testing.T) {
	// Uses 4, 2, 2, 0 of 8: entropy ½·1 + 2·¼·2. Active of ten: 0 2 2 3 4 4 5 10, of sum 30.
	density := &Density{Mean: 30. / 80, Min: 0, Q25: 0.2, Median: 0.3, Q75: 0.4, Q95: 1, Max: 1}
	hot := HotSet{Uses50: 1, Uses80: 3, Uses95: 3}
	want := &Report{
		Kind: Kind, Version: Version, Tokens: 4, Windows: 2, Shape: Shape{1, 4, 2, 10}, Density: density, HotSet: hot,
		Layers: []LayerReport{{
			Entropy: 1.5, MaxEntropy: 2,
			Locality:         3. / 4,                // both experts of the second token, one of the third
			LocalityByChance: (1 + 0.25 + 0.25) / 2, // frequencies 1, ½, ½, 0
			HotSet:           hot,
			Density:          density,
			Experts: []ExpertReport{
				{Expert: 0, Uses: 4, Frequency: 1, MeanWeight: (0.75 + 0.5 + 0.375 + 1) / 4, Density: number(17. / 40), Partner: 1, Lift: 1},
				{Expert: 1, Uses: 2, Frequency: 0.5, MeanWeight: 0.375, Density: number(6. / 20), Partner: 0, Lift: 1},
				{Expert: 2, Uses: 2, Frequency: 0.5, MeanWeight: 0.3125, Density: number(7. / 20), Partner: 0, Lift: 1},
				{Expert: 3, Density: number(0), Partner: -1},
			},
			Pairs: []Pair{{Experts: [2]int{0, 1}, Together: 2, Expected: 2, Lift: 1}, {Experts: [2]int{0, 2}, Together: 2, Expected: 2, Lift: 1}},
		}},
	}
	if diff := cmp.Diff(want, report(t, collect()), about); diff != "" {
		t.Error(diff)
	}
}

// Pairs that were often together come before those that were so by chance.
func TestPairs(t *testing.T) {
	c := collector(Shape{Layers: 1, Experts: 6, TopK: 2, Neurons: 1})
	choose := func(times int, a, b int32) {
		for range times {
			c.ExpertsUsed(0, []int32{a, b}, []float32{1, 0}, []int32{0, 1})
		}
	}
	choose(50, 0, 1) // always together
	choose(20, 3, 2)
	choose(29, 3, 0)
	choose(1, 4, 5) // never with another, but once is nothing
	r := report(t, c).Layers[0]
	want := []Pair{
		{Experts: [2]int{2, 3}, Together: 20, Expected: 20. * 49 / 100, Lift: 100. / 49},
		{Experts: [2]int{0, 1}, Together: 50, Expected: 79. * 50 / 100, Lift: 100. / 79},
		{Experts: [2]int{4, 5}, Together: 1, Expected: 0.01, Lift: 100},
		{Experts: [2]int{0, 3}, Together: 29, Expected: 79. * 49 / 100, Lift: 29 / 38.71},
	}
	if diff := cmp.Diff(want, r.Pairs, about); diff != "" {
		t.Error(diff)
	}
	for e, partner := range []int{1, 0, 3, 2, 5, 4} {
		if r.Experts[e].Partner != partner {
			t.Errorf("expert %d goes with %d, want %d", e, r.Experts[e].Partner, partner)
		}
	}
}

// What is shown in parts is what is shown at once.
func TestBatches(t *testing.T) {
	experts, weights, active := []int32{0, 1, 1, 2, 3, 1, 0, 2}, []float32{1, 0, 1, 0, 1, 0, 1, 0}, []int32{0, 1, 2, 3, 4, 5, 6, 7}
	shape := Shape{Layers: 2, Experts: 4, TopK: 2, Neurons: 8}
	whole, parts := collector(shape), collector(shape)
	for l := range 2 {
		whole.ExpertsUsed(l, experts, weights, active)
	}
	for at := 0; at < len(experts); at += 2 {
		for l := range 2 {
			parts.ExpertsUsed(l, experts[at:at+2], weights[at:at+2], active[at:at+2])
		}
	}
	if diff := cmp.Diff(report(t, whole), report(t, parts), about); diff != "" {
		t.Error(diff)
	}
}

func TestStatistics(t *testing.T) {
	for _, tt := range []struct {
		name      string
		got, want float64
	}{
		{"entropy of a certainty", entropy([]float64{0, 1, 0}), 0},
		{"entropy of eight alike", entropy(distribution([]int64{3, 3, 3, 3, 3, 3, 3, 3})), 3},
		{"TV of the same", totalVariation([]float64{0.5, 0.5}, []float64{0.5, 0.5}), 0},
		{"TV of opposites", totalVariation([]float64{1, 0}, []float64{0, 1}), 1},
		{"TV", totalVariation([]float64{0.5, 0.3, 0.2}, []float64{0.2, 0.3, 0.5}), 0.3},
		{"JS of the same", jensenShannon([]float64{0.1, 0.9}, []float64{0.1, 0.9}), 0},
		{"JS of opposites", jensenShannon([]float64{1, 0}, []float64{0, 1}), 1},
		// The middle is ¾, ¼.
		{"JS", jensenShannon([]float64{1, 0}, []float64{0.5, 0.5}), 0.75*math.Log2(4./3) + 0.25*2 - 0.5},
		{"overlap", overlap([]int{1, 2, 3}, []int{3, 4}), 0.25},
		{"overlap of nothing", overlap(nil, nil), 1},
		{"chance", chanceVariation([]float64{0.5, 0.5}, 1, 100, 100), 0.5 * math.Sqrt(2/math.Pi*0.02)},
		{"chance if all are always chosen", chanceVariation([]float64{1, 1}, 2, 10, 10), 0},
	} {
		if math.Abs(tt.got-tt.want) > 1e-12 {
			t.Errorf("%s is %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}

func TestHotSet(t *testing.T) {
	for _, tt := range []struct {
		counts  []int64
		percent int64
		want    []int
	}{
		{[]int64{1, 5, 4}, 50, []int{1}},
		{[]int64{1, 5, 4}, 51, []int{1, 2}},
		{[]int64{1, 5, 4}, 95, []int{1, 2, 0}},
		{[]int64{2, 2, 2, 2}, 50, []int{0, 1}},
		{[]int64{0, 0}, 50, []int{}},
	} {
		if got := hotSet(tt.counts, tt.percent); !cmp.Equal(got, tt.want) {
			t.Errorf("%d %% of %v: %v, want %v", tt.percent, tt.counts, got, tt.want)
		}
	}
}

// Texts whose frequencies are the same differ by about what chance makes them.
func TestChance(t *testing.T) {
	const experts, tokens = 16, 500
	seed := uint64(1)
	random := func(n uint64) uint64 {
		seed = seed*6364136223846793005 + 1442695040888963407
		return seed >> 33 % n
	}
	text := func() []int64 {
		uses := make([]int64, experts)
		for range tokens {
			uses[min(random(experts), random(experts))]++
		}
		return uses
	}
	var sum, chance float64
	const pairs = 200
	for range pairs {
		a, b := text(), text()
		pooled := make([]float64, experts)
		for e := range pooled {
			pooled[e] = float64(a[e]+b[e]) / (2 * tokens)
		}
		sum += totalVariation(distribution(a), distribution(b)) / pairs
		chance += chanceVariation(pooled, 1, tokens, tokens) / pairs
	}
	if math.Abs(sum-chance) > 0.03*chance {
		t.Errorf("on average the total variation is %v, chance was to make it %v", sum, chance)
	}
}

func TestNotFinite(t *testing.T) {
	c := collect()
	c.ExpertsUsed(0, []int32{0, 2}, []float32{1, float32(math.NaN())}, []int32{3, 5})
	if _, err := c.Report(); err == nil || !strings.Contains(err.Error(), "layer 0: the router gives expert 2 a weight that is not finite") {
		t.Errorf("error is %v", err)
	}
}

// Layers without experts have no part in a report, and layers keep their numbers. With SiLU no neuron is inactive.
func TestDenseLayersBetween(t *testing.T) {
	c, err := NewCollector(&format.Config{Layers: 4, Activation: format.SiLU, FFN: 32,
		MoE: &format.MoE{Experts: 4, ExpertsPerToken: 2, ExpertFFN: 8, Layout: []bool{false, true, false, true}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range []int{1, 3} {
		c.ExpertsUsed(layer, []int32{0, 1, 0, 2}, []float32{0.5, 0.5, 0.75, 0.25}, nil)
	}
	r := report(t, c)
	if r.Tokens != 2 || r.Shape != (Shape{Layers: 2, Experts: 4, TopK: 2, Neurons: 8}) || len(r.Layers) != 2 || r.Layers[0].Layer != 1 || r.Layers[1].Layer != 3 {
		t.Fatalf("%+v", r)
	}
	if e := r.Layers[1].Experts[0]; e.Uses != 2 || e.Frequency != 1 || e.Density != nil || r.Density != nil || r.Layers[0].Density != nil {
		t.Errorf("%+v, density %v", e, r.Density)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "density") {
		t.Errorf("there is a density in %s", text)
	}
	again, err := ReadReport(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, again, about); diff != "" {
		t.Error(diff)
	}
	same, err := Compare(r, again)
	if err != nil || same.DensityShift != nil || same.Layers[1].Layer != 3 || same.Changed[0].Layer != 1 {
		t.Errorf("%+v, %v", same, err)
	}
	again.Layers[1].Layer = 2
	if _, err := Compare(r, again); err == nil || !strings.Contains(err.Error(), "one in layer 3 where the other has them in layer 2") {
		t.Errorf("experts in other layers: %v", err)
	}
}

func TestDenseModel(t *testing.T) {
	if _, err := NewCollector(&format.Config{Layers: 4, FFN: 32}); !errors.Is(err, ErrDense) {
		t.Errorf("error is %v", err)
	}
}
