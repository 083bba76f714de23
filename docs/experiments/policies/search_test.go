package policies

import (
	"cmp"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"st/runtime/experts"
)

var trials = flag.Int("trials", 4, "random averages that TestAverages tries")

// bent is a ranking by averages of a power of chances.
type bent struct {
	*ranked
	power float64
}

func (p bent) Rate(layer int, chances []byte) {
	p.scores.Advance(layer, 1)
	for e, c := range chances {
		p.scores.Use(layer*p.Experts+e, math.Pow(float64(c)/255, p.power))
	}
}

// TestAverages tries random half-lives and weights, with 36 % of the experts in memory, and prints what misses least. Nothing misses less than Belady's.
func TestAverages(t *testing.T) {
	trace, warm := readTraces(t)
	if !trace.Rated() {
		t.Skip("the trace has no chances")
	}
	size := trace.Len() * 36 / 100
	type result struct {
		misses float64
		what   string
	}
	var all []result
	try := func(what string, p experts.Policy) float64 {
		misses := experts.Simulate(trace, p, warm).MissesPerToken()
		all = append(all, result{misses, what})
		return misses
	}
	bound := try("Belady", experts.NewBelady(trace, size))
	try("the engine's", experts.NewRated(trace.Shape, size, experts.OfChances...))
	rng := rand.New(rand.NewPCG(1, 2))
	for range *trials {
		var averages []experts.Average
		for range 1 + rng.IntN(4) {
			averages = append(averages, experts.Average{HalfLife: math.Exp2(-1 + 11*rng.Float64()), Weight: math.Exp2(-2 + 5*rng.Float64())})
		}
		p := bent{newRanked(trace, size), []float64{1, 1, 0.5, 1.5, 2, 3}[rng.IntN(6)]}
		p.scores = experts.NewScores(trace.Layers, trace.Experts, averages...)
		if misses := try(fmt.Sprintf("half-lives and weights %.3g, power %g", averages, p.power), p); misses < bound {
			t.Errorf("%.3g miss %g a token, Belady's %g", averages, misses, bound)
		}
	}
	slices.SortFunc(all, func(a, b result) int { return cmp.Compare(a.misses, b.misses) })
	for _, r := range all {
		t.Logf("%.2f missing a token: %s", r.misses, r.what)
	}
}
