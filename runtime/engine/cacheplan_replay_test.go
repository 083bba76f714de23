package engine

import (
	"errors"
	"slices"
	"testing"
	"time"

	"st/format"
	"st/runtime/experts"
)

// traceOf returns a trace of batches, in which token i uses expert i mod n of the one layer.
func traceOf(n int, batches ...int) *experts.Trace {
	t := &experts.Trace{Shape: experts.Shape{Layers: 1, Experts: n, TopK: 1}}
	for i, size := range batches {
		for range size {
			t.Tokens = append(t.Tokens, experts.Token{Batch: i, Experts: []int32{int32(len(t.Tokens) % n)}})
		}
	}
	return t
}

// A plan counts generated tokens, from the last prompt on.
func TestReplayCounts(t *testing.T) {
	ones := func(n int) []int { return slices.Repeat([]int{1}, n) }
	for _, tt := range []struct {
		name            string
		batches         []int
		counted, latest int // tokens, and how far from a prompt at most
		later           bool
	}{
		{"a prompt and a text", append([]int{32}, ones(20)...), 20, 20, false},
		{"a short prompt", append([]int{3}, ones(20)...), 20, 20, false},
		{"two prompts", slices.Concat([]int{32}, ones(60), []int{8}, ones(90)), 150, 90, false},
		{"a long text", append([]int{32}, ones(150)...), 150, 150, true},
		{"few of a long text", append([]int{32}, ones(149)...), 149, 149, false},
		{"guesses are verified together", slices.Concat([]int{32}, ones(10), []int{4}, ones(10)), 20, 20, false},
		{"no prompt", ones(52), 20, 20, false},
		{"prompts alone, as if they were generated", []int{30, 22}, 20, 20, false},
	} {
		r, err := newReplay(traceOf(4, tt.batches...), nil)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		n := 0
		for _, since := range r.since {
			if since > 0 {
				n++
			}
		}
		if n != tt.counted || slices.Max(r.since) != tt.latest || r.later != tt.later {
			t.Errorf("%s: %d tokens, %d after a prompt at most, later %v; want %d, %d, %v", tt.name, n, slices.Max(r.since), r.later, tt.counted, tt.latest, tt.later)
		}
	}
	for _, batches := range [][]int{append([]int{32}, ones(15)...), ones(40), {47}} {
		if err := CheckTrace(traceOf(4, batches...)); !errors.Is(err, ErrShortTrace) {
			t.Errorf("%v: %v", batches, err)
		}
	}
}

// A replay begins with what is in memory when a model is opened, so that a text that uses little of a model that fits reads nothing; and what it reads of
// the start and of later tokens is told apart.
func TestReplayPlan(t *testing.T) {
	timing := experts.Timing{Disk: experts.Disk{Bandwidth: 1e9, Queue: 1}, ExpertBytes: 1e6, Computing: experts.Computing{Head: time.Millisecond}}
	trace := traceOf(8, append([]int{8}, slices.Repeat([]int{1}, 200)...)...)
	for i := range trace.Tokens[108:] { // the later ones use one expert
		trace.Tokens[108+i].Experts = []int32{6}
	}
	plan := func(size int, usage *format.Usage) CachePlan {
		r, err := newReplay(trace, usage)
		if err != nil {
			t.Fatal(err)
		}
		p := CachePlan{Experts: size}
		r.plan(&p, timing)
		return p
	}
	if p := plan(8, nil); p.HitRate != 1 || p.Bound != 1 || p.Simulated.Reads != 0 || p.Simulated.Tokens != 200 {
		t.Errorf("all fit: %+v, simulated %+v", p, p.Simulated)
	}
	if p := plan(4, nil); p.Start.Tokens != 100 || p.Later.Tokens != 100 || p.Start.Reads < 0.4 || p.Later.Reads > 0.01 || p.Start.Misses != p.Start.Reads ||
		p.Simulated.Reads != (p.Start.Reads+p.Later.Reads)/2 || p.Start.TokensPerSecond >= p.Later.TokensPerSecond || p.Bound < p.HitRate {
		t.Errorf("half fit: %+v, start %+v, later %+v", p, p.Start, p.Later)
	}
	// What is known of the experts keeps the one that is used most, though eight take turns.
	known := &format.Usage{Tokens: 1000, Uses: []int64{0, 0, 0, 0, 0, 0, 1000, 0}}
	if without, with := plan(2, nil), plan(2, known); with.Start.Reads >= without.Start.Reads {
		t.Errorf("with recorded usage %v are read at the start, without %v", with.Start.Reads, without.Start.Reads)
	}
}
