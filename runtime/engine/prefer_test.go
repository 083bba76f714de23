package engine

import (
	"math"
	"slices"
	"testing"

	"st/format"
)

func TestPreference(t *testing.T) {
	nan := float32(math.NaN())
	for _, tt := range []struct {
		name   string
		share  float32
		scores []float32
		held   []int32
		best   []int32
		want   []int32
	}{
		{"all are in memory", 1, []float32{3, 2, 1, 0}, []int32{0, 1, 2, 3}, []int32{0, 1}, []int32{0, 1}},
		{"the heaviest stays", 1, []float32{3, 2, 1, 0}, []int32{2, 3}, []int32{0, 1}, []int32{0, 2}},
		{"the lightest moves first", 0.35, []float32{3, 2.9, 2.8, 1}, []int32{3}, []int32{0, 1, 2}, []int32{0, 1, 3}},
		{"it carries too much", 0.2, []float32{3, 2.9, 2.8, 1}, []int32{3}, []int32{0, 1, 2}, []int32{0, 1, 2}},
		{"one that is there is skipped", 0.4, []float32{3, 2.9, 2.8, 1}, []int32{2, 3}, []int32{0, 1, 2}, []int32{0, 2, 3}},
		{"two together carry too much", 0.5, []float32{3, 2.9, 2.8, 1, 0}, []int32{3, 4}, []int32{0, 1, 2}, []int32{0, 1, 3}},
		{"both move, to the best", 0.7, []float32{3, 2.9, 2.8, 0, 1, -1}, []int32{3, 4, 5}, []int32{0, 1, 2}, []int32{0, 4, 3}},
		{"nothing is in memory", 1, []float32{3, 2, 1, 0}, nil, []int32{0, 1}, []int32{0, 1}},
		{"only the chosen are in memory", 1, []float32{3, 2, 1, 0}, []int32{0}, []int32{0, 1}, []int32{0, 1}},
		{"scores that are no numbers", 1, []float32{nan, nan, nan, nan}, []int32{2, 3}, []int32{0, 1}, []int32{0, 1}},
		{"one expert a token", 1, []float32{3, 2}, []int32{1}, []int32{0}, []int32{0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, softmax := range []bool{false, true} {
				f := &preference{tt.share, make([]bool, len(tt.scores))}
				for _, e := range tt.held {
					f.held[e] = true
				}
				// The sigmoids of these scores are nearly alike; their softmax is not, but the limits here suit both.
				best := slices.Clone(tt.best)
				f.move(best, tt.scores, make([]float32, len(best)), &format.MoE{RouterSoftmax: softmax})
				if !slices.Equal(best, tt.want) {
					t.Errorf("softmax %v: %v, want %v", softmax, best, tt.want)
				}
			}
		})
	}
}

// Experts stand in for others where memory has room for some; where it has room for all, those that were not read yet are read.
func TestPreferWhereRoom(t *testing.T) {
	for room, want := range map[int][]bool{3: {true, false}, 4: nil} {
		s := &streamedStore{experts: make([]residence, 4), perLayer: 2, usable: room}
		s.experts[2].state = resident
		p := &pass{Engine: &Engine{preferCached: 1, config: &format.Config{MoE: &format.MoE{Experts: 2}}, streamed: s}, n: 1, singles: 1}
		if got := p.prefer(1); (got == nil) != (want == nil) || got != nil && !slices.Equal(got.held, want) {
			t.Errorf("room for %d of 4: %+v, want %v", room, got, want)
		}
	}
}
