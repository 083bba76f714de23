package cache

import "math"

// Scores ranks experts by the uses that they had, each of which counts less and less: after a half-life of tokens, half. It is the
// combined recency and frequency of LRFU (Lee et al., IEEE Transactions on Computers 50, 2001), with time counted in tokens.
// What is kept is the logarithm, relative to token 0, so that scores do not change while nothing is used.
type Scores struct {
	halfLife float64
	now      float64   // tokens, in half-lives
	log      []float64 // by expert: log2 of Σ uses · 2^(when/halfLife)
}

// NewScores returns the scores of n experts that were never used.
func NewScores(n int, halfLife float64) *Scores {
	s := &Scores{halfLife: halfLife, log: make([]float64, n)}
	for i := range s.log {
		s.log[i] = math.Inf(-1)
	}
	return s
}

// Seed gives an expert the score that it would have after being used for a share of all tokens, 0 to 1, for a long time.
func (s *Scores) Seed(id int, share float64) {
	s.log[id] = s.now + math.Log2(share*s.halfLife/math.Ln2)
}

// Advance lets n tokens pass.
func (s *Scores) Advance(n int) { s.now += float64(n) / s.halfLife }

// Use counts a use by n tokens, now.
func (s *Scores) Use(id, n int) {
	add := s.now + math.Log2(float64(n))
	if old := s.log[id]; old > add {
		s.log[id] = old + math.Log2(1+math.Exp2(add-old))
	} else {
		s.log[id] = add + math.Log2(1+math.Exp2(old-add))
	}
}

// Value returns an expert's score: the higher, the more it is worth to keep.
func (s *Scores) Value(id int) float64 { return s.log[id] }
