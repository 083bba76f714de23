package engine_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"st/convert/modeltest"
	"st/quant"
	"st/runtime/engine"
)

// A model that is run with K experts for a token computes what the same weights do whose config says K.
func TestExpertsPerToken(t *testing.T) {
	for name, shape := range map[string]modeltest.Shape{
		"sigmoid": base(),
		"softmax": variant(func(s *modeltest.Shape) { s.Softmax = true }),
		"qwen3moe": variant(func(s *modeltest.Shape) {
			s.Arch, s.NormTopK, s.Untied, s.RoPE, s.Sliding = "qwen3moe", true, true, nil, nil
		}),
		"qwen3moe, not normalised": variant(func(s *modeltest.Shape) {
			s.Arch, s.Untied, s.RoPE, s.Sliding = "qwen3moe", true, nil, nil
		}),
	} {
		path := write(t, shape, quant.Q8_0)
		for _, k := range []int{1, 2, 3, 5} {
			t.Run(fmt.Sprintf("%s %d", name, k), func(t *testing.T) {
				other := shape
				other.TopK = k
				want := openReader(t, reader(t, write(t, other, quant.Q8_0)), engine.Options{Threads: 2})
				got := openReader(t, reader(t, path), engine.Options{Threads: 2, ExpertsPerToken: k})
				if n := got.Config().TopK(); n != k {
					t.Errorf("the config says %d", n)
				}
				streamed := stream(t, reader(t, path), engine.Options{Threads: 2, ExpertsPerToken: k}, 0)
				reference := steps(t, session(t, want), 1, 20, 1, 1)
				for what, e := range map[string]*engine.Engine{"mapped": got, "streamed": streamed} {
					for i, logits := range steps(t, session(t, e), 1, 20, 1, 1) {
						if !slices.Equal(logits, reference[i]) {
							t.Errorf("%s: step %d differs", what, i)
						}
					}
				}
			})
		}
	}
}

// What a model does not have is refused.
func TestRoutingRefused(t *testing.T) {
	moe := reader(t, write(t, base(), quant.Q8_0))
	dense := reader(t, write(t, variant(func(s *modeltest.Shape) {
		s.Arch, s.Experts, s.FFN, s.DenseFFN, s.Untied, s.RoPE, s.Sliding = "qwen3", 0, 0, 96, true, nil, nil
	}), quant.Q8_0))
	for _, k := range []int{-1, 6, math.MaxInt32} {
		_, err := engine.Open(t.Context(), moe, engine.Options{ExpertsPerToken: k})
		if !errors.Is(err, engine.ErrExpertsPerToken) || !strings.Contains(err.Error(), "1 to 5") || !strings.HasPrefix(err.Error(), moe.Path()) {
			t.Errorf("%d experts of 5: %v", k, err)
		}
	}
	for _, share := range []float64{-0.1, 1.1, math.NaN()} {
		if _, err := engine.Open(t.Context(), moe, engine.Options{PreferCached: share}); err == nil || !strings.Contains(err.Error(), "0 to 1") {
			t.Errorf("a share of %g: %v", share, err)
		}
	}
	for _, opts := range []engine.Options{{ExpertsPerToken: 1}, {PreferCached: 0.1}} {
		if _, err := engine.Open(t.Context(), dense, opts); !errors.Is(err, engine.ErrNoExperts) {
			t.Errorf("a dense model with %+v: %v", opts, err)
		}
	}
}

// Experts in memory stand in for others where tokens come one at a time: fewer are missing, and the logits differ. A prompt, and a model of which
// all has room in memory, are run as the router says, to the bit.
func TestPreferCached(t *testing.T) {
	r := reader(t, write(t, manyExperts(), quant.Q4_0))
	misses := func(share float64) (int64, [][]float32) {
		e := stream(t, r, engine.Options{Threads: 2, PreferCached: share}, 100<<10)
		s := session(t, e)
		logits := steps(t, s, 100) // a prompt
		before := e.Stats()
		for _, id := range prompt(200, 50) {
			logits = append(logits, slices.Clone(forward(t, s, id)))
		}
		return e.Stats().ExpertMisses - before.ExpertMisses, logits
	}
	exact, want := misses(0)
	preferred, got := misses(1)
	if preferred >= exact {
		t.Errorf("%d experts are missing, and %d where those in memory are preferred", exact, preferred)
	}
	if !slices.Equal(got[0], want[0]) {
		t.Error("a prompt is not run as the router says")
	}
	if slices.EqualFunc(got, want, func(a, b []float32) bool { return slices.Equal(a, b) }) {
		t.Error("no logits differ")
	}
	for what, e := range map[string]*engine.Engine{
		"mapped": openReader(t, r, engine.Options{Threads: 2, PreferCached: 1}), "room for all": stream(t, r, engine.Options{Threads: 2, PreferCached: 1}, 1<<30),
	} {
		s := session(t, e) // of what there is room for, not all was read yet
		got := steps(t, s, 100)
		for _, id := range prompt(200, 50) {
			got = append(got, slices.Clone(forward(t, s, id)))
		}
		if !slices.EqualFunc(got, want, func(a, b []float32) bool { return slices.Equal(a, b) }) {
			t.Errorf("%s: the logits differ from those of the router's choice", what)
		}
	}
}
