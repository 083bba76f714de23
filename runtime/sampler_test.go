package runtime

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"st/runtime/kernel"
)

// kept returns which tokens may be drawn, most likely first.
func kept(t *testing.T, o SamplerOptions, logits []float32) []int32 {
	t.Helper()
	s, err := NewSampler(o)
	if err != nil {
		t.Fatal(err)
	}
	var ids []int32
	for _, c := range s.keep(slices.Clone(logits)) {
		ids = append(ids, c.id)
	}
	return ids
}

func TestKeep(t *testing.T) {
	p := func(probabilities ...float64) []float32 {
		var logits []float32
		for _, v := range probabilities {
			logits = append(logits, float32(math.Log(v)))
		}
		return logits
	}
	logits := p(0.1, 0.4, 0.05, 0.3, 0.15)
	nan := float32(math.NaN())
	for _, tt := range []struct {
		name   string
		opts   SamplerOptions
		logits []float32
		want   []int32
	}{
		{"top-k", SamplerOptions{TopK: 2}, logits, []int32{1, 3}},
		{"top-k above the vocabulary", SamplerOptions{TopK: 9, MinP: 1e-9}, logits, []int32{1, 3, 4, 0, 2}},
		{"top-p", SamplerOptions{TopP: 0.8}, logits, []int32{1, 3, 4}},
		{"top-p below the first", SamplerOptions{TopP: 0.01}, logits, []int32{1}},
		{"min-p", SamplerOptions{MinP: 0.3}, logits, []int32{1, 3, 4}},
		{"min-p of one", SamplerOptions{MinP: 1}, logits, []int32{1}},
		{"top-p counts what top-k left", SamplerOptions{TopK: 3, TopP: 0.8}, logits, []int32{1, 3}}, // 0.4, 0.3 of 0.85
		{"equal logits by id", SamplerOptions{TopK: 3}, p(0.2, 0.2, 0.2, 0.2, 0.2), []int32{0, 1, 2}},
		{"NaN is never kept", SamplerOptions{TopK: 2}, []float32{nan, 1, nan, 2, 0}, []int32{3, 1}},
		{"nothing but NaN", SamplerOptions{TopK: 2}, []float32{nan, nan}, []int32{0}},
	} {
		if got := kept(t, tt.opts, tt.logits); !slices.Equal(got, tt.want) {
			t.Errorf("%s: keeps %v, want %v", tt.name, got, tt.want)
		}
	}
}

// Drawn often enough, tokens come as often as their probabilities say.
func TestDraw(t *testing.T) {
	want := []float64{0.5, 0.2, 0.3}
	for _, temperature := range []float64{1, 0.5} {
		s, err := NewSampler(SamplerOptions{Temperature: temperature, Seed: 7})
		if err != nil {
			t.Fatal(err)
		}
		var count [3]float64
		const n = 20000
		for range n {
			logits := make([]float32, 3)
			for i, p := range want {
				logits[i] = float32(math.Log(p))
			}
			count[s.Sample(logits)]++
		}
		var total float64
		for _, p := range want {
			total += math.Pow(p, 1/temperature)
		}
		for i, p := range want {
			if p := math.Pow(p, 1/temperature) / total; math.Abs(count[i]/n-p) > 0.02 {
				t.Errorf("temperature %v: token %d comes %.3f of the time, want %.3f", temperature, i, count[i]/n, p)
			}
		}
	}
}

func TestSeed(t *testing.T) {
	draw := func(seed uint64) (ids []int32) {
		s, _ := NewSampler(SamplerOptions{Temperature: 1, Seed: seed})
		for range 50 {
			ids = append(ids, s.Sample(make([]float32, 100)))
		}
		return ids
	}
	if !slices.Equal(draw(1), draw(1)) {
		t.Error("the same seed draws other tokens")
	}
	if slices.Equal(draw(1), draw(2)) {
		t.Error("another seed draws the same tokens")
	}
}

func TestGreedyAndPenalty(t *testing.T) {
	s, err := NewSampler(SamplerOptions{RepeatPenalty: 2})
	if err != nil {
		t.Fatal(err)
	}
	s.Accept(1)
	s.Accept(1) // counts once
	s.Accept(2)
	if got := s.Sample([]float32{0.9, 1.5, -0.1}); got != 0 { // 0.9, 0.75, −0.2
		t.Errorf("draws %d, want 0: the others were used before", got)
	}
	for range repeatWindow {
		s.Accept(0)
	}
	if got := s.Sample([]float32{1.8, 1, 0}); got != 1 {
		t.Errorf("draws %d, want 1: it is out of the window", got)
	}
}

// Presence and frequency count what was drawn, not the prompt; the bias comes first.
func TestPenaltiesOfDrawnTokens(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts SamplerOptions
		want []int32 // drawn one after the other
	}{
		{"none", SamplerOptions{}, []int32{0, 0, 0, 0}},
		{"presence", SamplerOptions{PresencePenalty: 0.4}, []int32{0, 1, 0, 0}},                                    // 1 → 0.6; then 0.7 → 0.3
		{"frequency", SamplerOptions{FrequencyPenalty: 0.4}, []int32{0, 1, 0, 1}},                                  // 1, 0.6, 0.2 and 0.7, 0.3
		{"favoured", SamplerOptions{LogitBias: map[int32]float64{2: 1}, PresencePenalty: -1}, []int32{2, 2, 2, 2}}, // 0.25 + 1
		{"banned", SamplerOptions{LogitBias: map[int32]float64{0: -100, 1: -100}}, []int32{2, 2, 2, 2}},
	} {
		s, err := NewSampler(tt.opts)
		if err != nil {
			t.Fatal(err)
		}
		s.Accept(0) // of the prompt
		for i, want := range tt.want {
			if got := s.Sample([]float32{1, 0.7, 0.25}); got != want {
				t.Errorf("%s: token %d is %d, want %d", tt.name, i, got, want)
			}
		}
		s.Forget()
		if got := s.Sample([]float32{1, 0.7, 0.25}); got != tt.want[0] {
			t.Errorf("%s: after Forget it draws %d, want %d", tt.name, got, tt.want[0])
		}
	}
}

func TestSamplerOptions(t *testing.T) {
	for _, tt := range []struct {
		opts SamplerOptions
		want string
	}{
		{SamplerOptions{Temperature: -1}, "temperature is -1"},
		{SamplerOptions{Temperature: math.NaN()}, "temperature is NaN"},
		{SamplerOptions{TopP: 1.5}, "top-p is 1.5"},
		{SamplerOptions{MinP: -0.1}, "min-p is -0.1"},
		{SamplerOptions{TopK: -3}, "top-k is -3: it must be 0 or more"},
		{SamplerOptions{TopK: 99999999999}, "top-k is 99999999999, which is too large: it must be 2147483647 at most"},
		{SamplerOptions{RepeatPenalty: math.Inf(1)}, "repeat penalty is +Inf"},
		{SamplerOptions{PresencePenalty: 101}, "presence penalty is 101: it must be between -100 and 100"},
		{SamplerOptions{FrequencyPenalty: math.NaN()}, "frequency penalty is NaN"},
		{SamplerOptions{LogitBias: map[int32]float64{7: math.Inf(-1)}}, "logit bias of token 7 is -Inf"},
	} {
		if _, err := NewSampler(tt.opts); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error is %v, want one that says %q", err, tt.want)
		}
	}
}

// The k likeliest tokens are those that sorting everything finds, also among many equal ones.
func TestLikeliest(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, k := range []int{1, 2, 7, 40, 999} {
		for _, distinct := range []int{1, 3, 100000} {
			logits := make([]float32, 10007)
			for i := range logits {
				logits[i] = float32(rng.IntN(distinct))
			}
			want := make([]int32, len(logits))
			for i := range want {
				want[i] = int32(i)
			}
			slices.SortStableFunc(want, func(a, b int32) int { return cmp.Compare(logits[b], logits[a]) })
			if got := kept(t, SamplerOptions{TopK: k}, logits); !slices.Equal(got, want[:k]) {
				t.Errorf("k = %d, %d distinct logits: keeps %v, want %v", k, distinct, got, want[:k])
			}
		}
	}
}

// The likeliest token is the first of the largest logits, wherever others are not numbers.
func TestArgmax(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, n := range []int{1, 63, 64, 65, 1000} {
		for _, values := range [][]float32{{0, 1, 2}, {nan, 1, 2}, {-inf, 5}, {-inf, nan}, {nan}, {inf, nan, 0}} {
			logits := make([]float32, n)
			for i := range logits {
				logits[i] = values[rng.IntN(len(values))]
			}
			s, err := NewSampler(SamplerOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if want, got := argmax(logits), int(s.Sample(logits)); got != want {
				t.Errorf("%d logits of %v: token %d, want %d", n, values, got, want)
			}
		}
	}
}

// With the peaks that somebody else found the same tokens are drawn, whatever changes logits before.
func TestSamplePeaks(t *testing.T) {
	for name, o := range map[string]SamplerOptions{
		"greedy":    {RepeatPenalty: 1.5},
		"top-k":     {Temperature: 1, TopK: 20, RepeatPenalty: 1.3},
		"penalties": {Temperature: 0.7, TopK: 5, PresencePenalty: 1, FrequencyPenalty: 0.5},
		"bias":      {Temperature: 1, TopK: 3, LogitBias: map[int32]float64{1: 30, 70: -30, 1000: 29, 4000: 9}},
		"top-p":     {Temperature: 1, TopP: 0.5},
	} {
		t.Run(name, func(t *testing.T) {
			var samplers [2]*Sampler
			for i := range samplers {
				var err error
				if samplers[i], err = NewSampler(o); err != nil {
					t.Fatal(err)
				}
			}
			rng := rand.New(rand.NewPCG(5, 6))
			for step := range 100 {
				logits := make([]float32, 1001)
				for i := range logits {
					logits[i] = float32(rng.NormFloat64() * 3)
				}
				logits[rng.IntN(len(logits))] = float32(math.NaN())
				peaks := make([]float32, 16)
				kernel.Peaks(peaks, logits)
				want := samplers[0].Sample(slices.Clone(logits))
				if got := samplers[1].SamplePeaks(logits, peaks); got != want {
					t.Fatalf("step %d: token %d, want %d", step, got, want)
				}
			}
		})
	}
}
