package bench

import (
	"context"
	"time"

	"st/runtime"
)

// Lookup is what guessing tokens is worth: see [runtime.Lookup].
type Lookup struct {
	// Passes are what passes of several tokens cost.
	Passes []Pass `json:"passes"`
	runtime.LookupReplay
}

// Pass is a pass of so many tokens of one sequence that are checked together.
type Pass struct {
	Rows     int     `json:"rows"`
	Seconds  float64 `json:"seconds"`  // median
	Relative float64 `json:"relative"` // to that of one token
}

// lookupRounds is how often each pass is measured, in turns.
const lookupRounds = 9

// MeasureLookup measures what passes of up to 1+most tokens cost, or of [runtime.MaxLookup] with auto, after the first tokens, and how many guesses
// would be right if the others were generated. 0: the first half of them.
func MeasureLookup(ctx context.Context, m *runtime.Model, tokens []int32, first int, most runtime.Lookup) (*Lookup, error) {
	rows := 1 + int(most)
	if most == runtime.LookupAuto {
		rows = 1 + int(runtime.MaxLookup)
	}
	s, err := m.Engine().NewSession()
	if err != nil {
		return nil, err
	}
	defer s.Close()
	s.SetSparseHead(true)
	if first < 1 || first >= len(tokens) {
		first = max(1, len(tokens)/2)
	}
	if _, err := s.Forward(ctx, tokens[:first]); err != nil {
		return nil, err
	}
	times := make([][]float64, rows+1)
	guess := make([]int32, 0, rows)
	for round := range lookupRounds + 1 {
		for n := 1; n <= rows; n++ {
			if s.Len()+n > m.Context() {
				s.Truncate(first)
			}
			guess = guess[:0]
			for i := range n {
				guess = append(guess, tokens[(s.Len()+i)%len(tokens)])
			}
			begin := time.Now()
			_, computed, err := s.Verify(ctx, guess, func(int, []float32) bool { return true })
			if err != nil {
				return nil, err
			}
			if round > 0 { // the first one warms up
				times[computed] = append(times[computed], time.Since(begin).Seconds())
			}
		}
	}
	l := &Lookup{}
	relative := make([]float64, rows+1)
	for n := 1; n <= rows; n++ {
		if len(times[n]) == 0 { // where a memory budget cuts guesses
			continue
		}
		p := Pass{Rows: n, Seconds: median(times[n])}
		p.Relative = p.Seconds / max(1e-9, median(times[1]))
		l.Passes, relative[n] = append(l.Passes, p), p.Relative
	}
	l.LookupReplay = runtime.ReplayLookup(tokens[:first], tokens[first:], most, func(rows int) float64 {
		for ; rows > 1 && relative[rows] == 0; rows-- {
		}
		return relative[rows]
	})
	return l, nil
}
