package quant

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestAlternatives compares ways to spend four and a half or five bits on a weight by what they lose, on normally distributed
// weights as models have them: it is why Q4_0 is the only type of its size. docs/quantization.md has its figures.
//
//	go test -v -run TestAlternatives ./quant
func TestAlternatives(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	sums := map[string]float64{}
	var all float64
	const blocks = 500
	for range blocks {
		x := make([]float32, BlockSize)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
			all += float64(x[i]) * float64(x[i])
		}
		sums["q4_0, rounded to nearest"] += loss(x, roundTrip(&Encoder{}, x), nil)
		sums["q4_0, search"] += loss(x, roundTrip(&Encoder{Search: true}, x), nil)
		sums["q4_0, best scale of any"] += bestLoss(x, nil)
		sums["16 levels of IQ4_NL"] += codebookLoss(x)
		sums["q4_1: scale and minimum, 5 bits"] += affineLoss(x)
	}
	for _, name := range []string{"q4_0, rounded to nearest", "q4_0, search", "q4_0, best scale of any", "16 levels of IQ4_NL", "q4_1: scale and minimum, 5 bits"} {
		t.Logf("%-32s %.3f %% relative RMS error", name, 100*math.Sqrt(sums[name]/all))
	}
	if sums["q4_0, search"] > 1.01*sums["q4_0, best scale of any"] || sums["q4_0, search"] > 0.92*sums["q4_0, rounded to nearest"] {
		t.Error("the search is not what it was")
	}
}

// codebookLoss is the least squared error with the levels of ggml's IQ4_NL, at 4.5 bits, for any scale.
func codebookLoss(x []float32) float64 {
	levels := []float64{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}
	best := math.Inf(1)
	for f := -0.04; f <= 0.04; f += 2e-4 {
		var sum float64
		for _, v := range x {
			least := math.Inf(1)
			for _, l := range levels {
				least = min(least, math.Abs(float64(v)-f*l))
			}
			sum += least * least
		}
		best = min(best, sum)
	}
	return best
}

// affineLoss is the least squared error of m + d·q, q from 0 to 15, for scales and minima in a grid.
func affineLoss(x []float32) float64 {
	low, high := float64(x[0]), float64(x[0])
	for _, v := range x {
		low, high = min(low, float64(v)), max(high, float64(v))
	}
	best := math.Inf(1)
	for shrink := 0.8; shrink <= 1.02; shrink += 0.02 {
		for at := 0.0; at <= 1; at += 0.125 {
			width := (high - low) * shrink
			m, d := low+(high-low-width)*at, width/15
			var sum float64
			for _, v := range x {
				e := float64(v) - m - d*math.RoundToEven(min(15, max(0, (float64(v)-m)/d)))
				sum += e * e
			}
			best = min(best, sum)
		}
	}
	return best
}
