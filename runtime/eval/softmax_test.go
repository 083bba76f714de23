package eval

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
)

// softmax is the definition, in float64.
func softmax(logits []float64) []float64 {
	largest, sum := math.Inf(-1), 0.
	for _, v := range logits {
		largest = math.Max(largest, v)
	}
	p := make([]float64, len(logits))
	for i, v := range logits {
		p[i] = math.Exp(v - largest)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

func toFloat64(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

func randomLogits(rng *rand.Rand, n int, spread float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(7 + spread*rng.NormFloat64())
	}
	return x
}

func TestLogSumExp(t *testing.T) {
	inf := float32(math.Inf(-1))
	rng := rand.New(rand.NewPCG(1, 2))
	for _, logits := range [][]float32{
		{3}, {0, 0}, {-5, -5, -5}, {1000, 999, -1000}, {1, inf, 2}, {-40, 0, -31.9994, -31.9996, -32, -1e-4},
		randomLogits(rng, 1000, 0.1), randomLogits(rng, 1000, 3), randomLogits(rng, 1000, 30),
	} {
		codes := make([]byte, 2*len(logits))
		lse, top := logSumExp(logits, codes)
		if again, _ := logSumExp(logits, nil); again != lse {
			t.Errorf("%v with codes, %v without", lse, again)
		}
		p := softmax(toFloat64(logits))
		for i, v := range logits {
			if q := math.Exp(float64(v) - lse); math.Abs(q-p[i]) > 1e-12*p[i] {
				t.Fatalf("P(%d) of %d is %g, want %g", i, len(logits), q, p[i])
			}
			if v > logits[top] || i < top && v == logits[top] {
				t.Errorf("%g at %d is the first largest, not %g at %d", v, i, logits[top], top)
			}
			below := float64(logits[top]) - float64(v)
			code := float64(binary.LittleEndian.Uint16(codes[2*i:])) / codeSteps
			if below < 32 && math.Abs(code-below) > 1./4096+1e-12 || below >= 32 && code != maxCode/2048. {
				t.Errorf("%g below the largest is coded as %g", below, code)
			}
		}
	}
	for _, logits := range [][]float32{{float32(math.NaN()), 1}, {1, float32(math.NaN())}, {1, -inf}, {inf, inf}} {
		if lse, _ := logSumExp(logits, nil); !math.IsNaN(lse) {
			t.Errorf("%v: %v", logits, lse)
		}
	}
}

func TestKLDivergence(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, spread := range []float64{0.1, 2, 5, 20} {
		base, logits := randomLogits(rng, 5000, spread), randomLogits(rng, 5000, spread)
		codes := make([]byte, 2*len(base))
		logSumExp(base, codes)
		lse, _ := logSumExp(logits, nil)
		decoded := make([]float64, len(base))
		for i := range decoded {
			decoded[i] = -float64(binary.LittleEndian.Uint16(codes[2*i:])) / codeSteps
		}
		q := softmax(toFloat64(logits))
		sum := func(p []float64) (kl float64) {
			for i := range p {
				if p[i] > 0 {
					kl += p[i] * math.Log(p[i]/q[i])
				}
			}
			return kl
		}
		got := klDivergence(codes, logits, lse)
		if want := sum(softmax(decoded)); math.Abs(got-want) > 1e-12*(1+want) {
			t.Errorf("spread %g: %.15g, want %.15g", spread, got, want)
		}
		// Coding moves it by no more than the error of a logit, times their distance.
		if want := sum(softmax(toFloat64(base))); math.Abs(got-want) > 1e-3*want {
			t.Errorf("spread %g: %g, of logits that were not coded %g", spread, got, want)
		}
		baseLSE, _ := logSumExp(base, nil)
		if self := klDivergence(codes, base, baseLSE); self < 0 || self > 3e-8 {
			t.Errorf("spread %g: a distribution diverges by %g from itself", spread, self)
		}
	}
}

// BenchmarkScore takes the time of a position of the real models' vocabulary.
func BenchmarkScore(b *testing.B) {
	logits := randomLogits(rand.New(rand.NewPCG(5, 6)), 151936, 3)
	codes := make([]byte, 2*len(logits))
	lse, _ := logSumExp(logits, codes)
	for _, part := range []struct {
		name string
		do   func()
	}{
		{"perplexity", func() { logSumExp(logits, nil) }},
		{"save", func() { logSumExp(logits, codes) }},
		{"compare", func() { klDivergence(codes, logits, lse) }},
	} {
		b.Run(part.name, func(b *testing.B) {
			for b.Loop() {
				part.do()
			}
		})
	}
}
