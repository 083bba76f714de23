package engine

import (
	"slices"
	"testing"
)

func TestDefaultThreads(t *testing.T) {
	for _, tt := range []struct {
		name              string
		processors, cores int
		quota             float64
		want              int
		candidates        []int
	}{
		{"i9-14900: 8 fast cores, 16 slow ones", 32, 8, 0, 8, []int{4, 6, 8, 20, 32}},
		{"N100", 4, 4, 0, 4, []int{2, 3, 4}},
		{"two threads a core", 8, 4, 0, 4, []int{2, 3, 4, 6, 8}},
		{"unknown cores", 6, 0, 0, 6, []int{3, 5, 6}},
		{"quota of 1.5 on 8 processors", 8, 8, 1.5, 2, []int{1, 2}},
		{"quota of 1.2", 8, 8, 1.2, 1, []int{1, 2}},
		{"quota of 0.3", 8, 8, 0.3, 1, []int{1}},
		{"quota of 12 on 8", 8, 8, 12, 8, []int{4, 6, 8}},
		{"quota of 6 of 16 with two threads a core", 16, 8, 6, 6, []int{3, 5, 6}},
		{"one", 1, 1, 0, 1, []int{1}},
	} {
		if got := defaultThreads(tt.processors, tt.cores, tt.quota); got != tt.want {
			t.Errorf("%s: %d threads, want %d", tt.name, got, tt.want)
		}
		if got := candidates(tt.processors, tt.cores, tt.quota); !slices.Equal(got, tt.candidates) {
			t.Errorf("%s: candidates are %v, want %v", tt.name, got, tt.candidates)
		}
	}
}

func TestFastest(t *testing.T) {
	for _, tt := range []struct {
		numbers []int
		speeds  []float64
		want    int
	}{
		{[]int{1, 2, 4}, []float64{10, 19, 35}, 4},
		{[]int{2, 4, 8}, []float64{19, 30, 30.5}, 4}, // what eight bring is chance
		{[]int{4, 8, 16}, []float64{30, 31.5, 22}, 8},
		{[]int{1}, []float64{3}, 1},
	} {
		if got := fastest(tt.numbers, tt.speeds); got != tt.want {
			t.Errorf("%v with %v: %d, want %d", tt.numbers, tt.speeds, got, tt.want)
		}
	}
}
