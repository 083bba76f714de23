package runtime

import (
	"math"
	"slices"
	"testing"
	"time"

	"st/format"
)

// However busy the machine is, tests count all runs.
func init() { patience = 0 }

// Recent runs weigh more, none outweighs all others, and shares stay shares.
func TestExpertUses(t *testing.T) {
	u := &ExpertUses{Uses: make([]float32, 3)}
	share := func(i int) float64 { return float64(u.Uses[i]) / u.Weight }
	end := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	u.add(&format.Usage{Tokens: 100, Uses: []int64{100, 50, 0}}, end)
	if got := u.Usage(); got.Tokens != 100 || !slices.Equal(got.Uses, []int64{100, 50, 0}) || u.Runs != 1 || !u.Last.Equal(end) {
		t.Errorf("after a run: %+v, %+v", got, u)
	}
	u.add(&format.Usage{Tokens: 100_000, Uses: []int64{0, 50_000, 100_000}}, end) // a long document
	if u.Tokens != 100_100 || u.Weight > usesOfRun+100 || share(0) < 0.05 || share(0) > 0.09 || math.Abs(share(1)-0.5) > 1e-6 {
		t.Errorf("after a long run: %+v", u)
	}
	for range 1000 {
		u.add(&format.Usage{Tokens: 100, Uses: []int64{0, 25, 0}}, end)
		if !u.valid(3) {
			t.Fatalf("these are no uses: %+v", u)
		}
	}
	if math.Abs(share(1)-0.25) > 1e-6 || share(2) > 1e-6 || u.Weight > 1.1*usesHalfLife/math.Ln2 {
		t.Errorf("after a thousand runs: %+v", u)
	}
	u.add(&format.Usage{Tokens: math.MaxInt64, Uses: make([]int64, 3)}, end)
	if !u.valid(3) || u.Tokens != math.MaxInt64 {
		t.Errorf("more than can be counted: %+v", u)
	}
	for name, u := range map[string]*ExpertUses{
		"none":                     nil,
		"of another model":         {Tokens: 9, Runs: 1, Weight: 9, Uses: make([]float32, 4)},
		"no tokens":                {Runs: 1, Weight: 1, Uses: make([]float32, 3)},
		"more than tokens":         {Tokens: 9, Runs: 1, Weight: 9, Uses: []float32{0, 10, 0}},
		"negative":                 {Tokens: 9, Runs: 1, Weight: 9, Uses: []float32{0, -1, 0}},
		"of more tokens than were": {Tokens: 9, Runs: 1, Weight: 10, Uses: make([]float32, 3)},
		"of less than one token":   {Tokens: 9, Runs: 1, Weight: 0.1, Uses: make([]float32, 3)},
	} {
		if u.valid(3) {
			t.Errorf("%s: %+v is taken for uses", name, u)
		}
	}
}
