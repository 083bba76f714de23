package experts

import "math"

// Average is one of the averages that make a score: in it the weight of a use halves after a half-life in tokens, and it counts for so much.
type Average struct{ HalfLife, Weight float64 }

// The averages that experts are ranked by: of what router logits tell ([Chances]), as the runtime does, and of which experts were used, which is all that
// a trace without chances knows. See docs/experts.md for how they were chosen.
var (
	OfChances = []Average{{3, 2}, {64, 3}}
	OfUses    = []Average{{16, 1}, {512, 1}}
)

// Scores ranks experts by how often they were used, or nearly so, lately and in the long run: by a sum of estimates of the share of tokens that
// use them. In each the weight of a use decays, as in LRFU (Lee et al., IEEE Transactions on Computers 50, 2001). Short half-lives follow the text, long
// ones the model.
//
// Every layer has its own clock, so a batch does not age the experts of the layers that it has not reached.
type Scores struct {
	perLayer int
	averages []average
}

// average is an exponentially decaying average for every expert. Sums are relative to a moment in the past, so an unused expert's sum
// does not change.
type average struct {
	Average
	sum    []float64 // by expert: Σ uses · 2^(age when they happened)
	age    []float64 // by layer: of that moment, in half-lives
	weight []float64 // by layer: what makes a sum a share of tokens, now
	use    []float64 // by layer: what a use by one token of the present batch adds to a sum
}

// NewScores returns the scores of experts that were never used.
func NewScores(layers, experts int, averages ...Average) *Scores {
	s := &Scores{perLayer: experts}
	for _, of := range averages {
		a := average{of, make([]float64, layers*experts), make([]float64, layers), make([]float64, layers), make([]float64, layers)}
		for l := range layers {
			a.advance(l, 0, nil)
		}
		s.averages = append(s.averages, a)
	}
	return s
}

// SeedTokens is the number of tokens that recorded uses count for, however many they are of: other texts use other experts, so those of the present
// one have to outweigh them soon. See docs/experts.md.
const SeedTokens = 64

// Seed gives an expert the score of one that a share, 0 to 1, of so many tokens has used, and no token before them. The fewer they are, the sooner
// what is used from now on outweighs it.
func (s *Scores) Seed(id int, share, tokens float64) {
	for i := range s.averages {
		a := &s.averages[i]
		a.sum[id] = share * (1 - math.Exp2(-tokens/a.HalfLife)) / a.weight[id/s.perLayer]
	}
}

// Advance moves a layer's clock by the n tokens of a batch.
func (s *Scores) Advance(layer, n int) {
	for i := range s.averages {
		a := &s.averages[i]
		a.advance(layer, n, a.sum[layer*s.perLayer:][:s.perLayer])
	}
}

func (a *average) advance(layer, n int, sums []float64) {
	const far = 500 // 2^far is well within the range of float64
	age := a.age[layer] + float64(n)/a.HalfLife
	if age > far {
		for i := range sums {
			sums[i] *= math.Exp2(-age)
		}
		age = 0
	}
	a.age[layer] = age
	now, step := math.Exp2(age), math.Exp2(-1/a.HalfLife)
	a.weight[layer] = (1 - step) / now
	// The uses of a batch are spread evenly over its tokens: the mean of 2^(−i/half-life) for i below n.
	a.use[layer] = now
	if n > 1 {
		a.use[layer] *= (1 - math.Exp2(-float64(n)/a.HalfLife)) / (1 - step) / float64(n)
	}
}

// Use counts a use by some tokens of the batch that the expert's layer was advanced by last; a part of one, if it was nearly used.
func (s *Scores) Use(id int, tokens float64) {
	for i := range s.averages {
		a := &s.averages[i]
		a.sum[id] += tokens * a.use[id/s.perLayer]
	}
}

// Value returns an expert's score. The expert with the lowest is evicted first.
func (s *Scores) Value(id int) float64 {
	v := 0.
	for i := range s.averages {
		a := &s.averages[i]
		v += a.Weight * a.sum[id] * a.weight[id/s.perLayer]
	}
	return v
}
