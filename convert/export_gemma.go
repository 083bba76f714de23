package convert

import (
	"fmt"
	"math"
	"slices"
)

// gemma3 adds what files of Gemma 3 say besides. llama.cpp takes rotary angles of layers that slide to be 10000 where a file does not say it.
func (e *exporter) gemma3(add func(key string, value any)) {
	c := &e.model.Config
	if slices.Contains(c.SlidingLayout, true) {
		add("attention.sliding_window", uint32(c.SlidingWindow))
		add("attention.sliding_window_pattern", uint32(slidingPeriod(c.SlidingLayout)))
	}
	add("rope.freq_base_swa", float32(c.LocalRoPE.Theta))
	if c.LogitSoftcap != 0 {
		add("final_logit_softcapping", float32(c.LogitSoftcap))
	}
}

// checkGemma3 refuses what llama.cpp would compute otherwise.
func (e *exporter) checkGemma3() error {
	c := &e.model.Config
	scalar := float64(c.HeadDim)
	if c.Layers == 62 { // the largest model, by which llama.cpp knows it
		scalar = float64(c.Hidden / c.Heads)
	}
	fail := func(what string) error { return fmt.Errorf("%w: %s", ErrExport, what) }
	near := func(a, b float64) bool { return math.Abs(a-b) <= 1e-5*math.Abs(b) }
	switch {
	case !near(c.AttentionScale, 1/math.Sqrt(scalar)):
		return fail(fmt.Sprintf("its attention is scaled by %g, and llama.cpp computes with %g", c.AttentionScale, 1/math.Sqrt(scalar)))
	case !near(c.EmbeddingScale, math.Sqrt(float64(c.Hidden))):
		return fail("its embeddings are scaled by another number than the square root of their length")
	case c.LocalRoPE == nil || c.LocalRoPE.Scaling != nil:
		return fail("its layers that slide have rotary angles that are scaled")
	case c.RoPEScaling != nil && c.RoPEScaling.Type != "linear":
		return fail("its RoPE scaling is not linear")
	case slidingPeriod(c.SlidingLayout) < 0:
		return fail("the layers that attend to all positions do not come at regular intervals, each the last one of its interval")
	case slices.Contains(c.RoPELayout, false):
		return fail("layers that have no RoPE")
	}
	return nil
}

// slidingPeriod returns n where of every n layers the last one does not slide; 0 if all slide, and −1 if there is no such n.
func slidingPeriod(layout []bool) int {
	n := slices.Index(layout, false) + 1
	for l, sliding := range layout {
		if n > 0 && sliding != (l%n < n-1) {
			return -1
		}
	}
	return n
}
