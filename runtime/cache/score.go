package cache

import "math"

// The half-lives in tokens of the two averages that the runtime ranks experts by. See docs/memory.md for how they were chosen.
const (
	ShortHalfLife = 16
	LongHalfLife  = 512
)

// Scores ranks experts by how often they were used lately and for long: the mean of two estimates of the share of tokens that
// use them. In either a use counts less and less, after a half-life of tokens half, as in LRFU (Lee et al., IEEE Transactions on
// Computers 50, 2001); a short half-life sees what the text is about now, a long one what the model likes.
type Scores struct {
	short, long average
}

// average is an exponentially decaying average for every expert. Sums are kept relative to a moment in the past, so that
// they do not change while nothing is used.
type average struct {
	halfLife float64
	age      float64   // of that moment, in half-lives
	sum      []float64 // Σ uses · 2^(age when they happened)
}

// NewScores returns the scores of n experts that were never used, with the given half-lives.
func NewScores(n int, short, long float64) *Scores {
	return &Scores{average{halfLife: short, sum: make([]float64, n)}, average{halfLife: long, sum: make([]float64, n)}}
}

// Seed gives an expert the score that it would have after being used by a share of all tokens, 0 to 1, for a long time.
func (s *Scores) Seed(id int, share float64) {
	for _, a := range []*average{&s.short, &s.long} {
		a.sum[id] = share * a.halfLife / math.Ln2 * math.Exp2(a.age)
	}
}

// Advance lets n tokens pass.
func (s *Scores) Advance(n int) {
	s.short.advance(n)
	s.long.advance(n)
}

func (a *average) advance(n int) {
	const far = 500 // 2^far is well within the range of float64
	if a.age += float64(n) / a.halfLife; a.age > far {
		scale := math.Exp2(-a.age)
		for i := range a.sum {
			a.sum[i] *= scale
		}
		a.age = 0
	}
}

// Use counts a use by n tokens, now.
func (s *Scores) Use(id, n int) {
	s.short.sum[id] += float64(n) * math.Exp2(s.short.age)
	s.long.sum[id] += float64(n) * math.Exp2(s.long.age)
}

// Weights are what sums of the two averages are multiplied by, at present.
type Weights struct{ short, long float64 }

// Weights returns the present weights, so that many experts can be compared at the price of one.
func (s *Scores) Weights() Weights {
	return Weights{math.Exp2(-s.short.age) / s.short.halfLife, math.Exp2(-s.long.age) / s.long.halfLife}
}

// Value returns an expert's score: the higher, the more it is worth to keep.
func (s *Scores) Value(w Weights, id int) float64 {
	return s.short.sum[id]*w.short + s.long.sum[id]*w.long
}
