package engine_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"st/convert/modeltest"
	"st/quant"
	"st/runtime/engine"
)

// What a guess lacks at every token is added to it after a few of them, for the most part; a token without a guess changes nothing.
func TestGuessLearns(t *testing.T) {
	g := engine.NewGuess(2)
	var amended []float32
	for range 30 {
		amended = []float32{1, 2}
		g.Amend(amended)
		g.Chosen([]float32{3, 2}) // the layers between add 2 to the first
		g.Chosen([]float32{9, 9})
	}
	if amended[0] < 2.3 || amended[0] > 2.5 || amended[1] != 2 {
		t.Errorf("logits 1 and 2, of which the first becomes 3, are amended to %v", amended)
	}
}

// The routers that layers are foreseen with give nearly the logits of the file's: those to the bit whose rows are of no whole block.
func TestGuessRouters(t *testing.T) {
	for name, c := range map[string]struct {
		shape modeltest.Shape
		exact bool
	}{"12 experts": {manyExperts(), false}, "no whole block": {variants["rows of no whole block"], true}} {
		t.Run(name, func(t *testing.T) {
			e := stream(t, reader(t, write(t, c.shape, quant.Q4_0)), engine.Options{Threads: 1}, 0)
			rng := rand.New(rand.NewPCG(21, 22))
			x := make([]float32, e.Config().Hidden)
			for l := range e.Config().Layers {
				for i := range x {
					x[i] = float32(rng.NormFloat64())
				}
				router, guess := e.RouterLogits(l, x)
				var square, apart float64
				for i, want := range router {
					square += float64(want) * float64(want)
					apart += math.Pow(float64(guess[i]-want), 2)
				}
				if share := math.Sqrt(apart / square); (share == 0) != c.exact || share > 0.015 {
					t.Errorf("layer %d: the logits differ by %g of their size", l, share)
				}
			}
		})
	}
}
