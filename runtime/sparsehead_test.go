package runtime_test

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"st/convert"
	"st/convert/checkpoint/ckpttest"
	"st/quant"
	"st/runtime"
	"st/runtime/grammar"
)

// sparsePath is the trained model with a random predictor of its head.
func sparsePath(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := ckpttest.CopyWithPredictor(dir, "../testdata/tiny-smallthinker", 4096, 192, 64); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "sparse.stm")
	if _, err := convert.Run(context.Background(), dir, path, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}, Encoder: convert.Search}); err != nil {
		t.Fatal(err)
	}
	return path
}

// Texts of predicted rows are the same with and without lookup; those that may not leave rows out, and those of a threshold of −∞, are those of the
// whole head.
func TestSparseHeadTexts(t *testing.T) {
	path := sparsePath(t)
	openAt := func(threshold *float64) *runtime.Model {
		m, err := runtime.Open(t.Context(), path, runtime.Options{SparseHead: threshold, Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		return m
	}
	const high = 1e9
	full, sparse, whole := openAt(nil), openAt(new(float64(high))), openAt(new(math.Inf(-1)))
	generate := func(m *runtime.Model, g runtime.Generate) ([]int32, runtime.Stats) {
		t.Helper()
		g.Seed, g.MaxTokens = new(uint64(7)), 40
		before := m.Stats()
		_, r, err := collect(m.Generate(t.Context(), "The king said: the king said: the", g))
		if err != nil {
			t.Fatal(err)
		}
		s := m.Stats()
		s.HeadTokens -= before.HeadTokens
		return r.Tokens, s
	}
	some, err := grammar.ParseGBNF(`root ::= [a-z ]+`)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		g     runtime.Generate
		exact bool
	}{
		"greedy":              {runtime.Generate{Temperature: new(0.)}, false},
		"greedy, guesses":     {runtime.Generate{Temperature: new(0.), Lookup: 8}, false},
		"sampled":             {runtime.Generate{Temperature: new(1.), TopK: new(0), TopP: new(1.), MinP: new(0.)}, false},
		"penalties":           {runtime.Generate{RepeatPenalty: new(1.3), PresencePenalty: 1, FrequencyPenalty: 0.5, LogitBias: map[int32]float64{9: -3}}, false},
		"log probabilities":   {runtime.Generate{LogProbs: true, TopLogProbs: 3}, true},
		"of the prompt":       {runtime.Generate{PromptLogProbs: true}, true},
		"a favoured token":    {runtime.Generate{LogitBias: map[int32]float64{300: 5}}, true},
		"favoured repetition": {runtime.Generate{FrequencyPenalty: -1}, true},
		"a grammar":           {runtime.Generate{Grammar: some}, true},
	} {
		t.Run(name, func(t *testing.T) {
			want, _ := generate(full, tt.g)
			if got, s := generate(whole, tt.g); !slices.Equal(got, want) || (s.HeadTokens == 0) != tt.exact {
				t.Errorf("all rows: %v, want %v; %d tokens of predicted rows", got, want, s.HeadTokens)
			}
			got, s := generate(sparse, tt.g)
			if (s.HeadTokens == 0) != tt.exact || tt.exact && !slices.Equal(got, want) {
				t.Errorf("%v, and of the whole head %v; %d tokens of predicted rows", got, want, s.HeadTokens)
			}
			off := tt.g
			off.Lookup = runtime.LookupOff
			if single, _ := generate(sparse, off); !slices.Equal(got, single) {
				t.Errorf("%v, without guesses %v", got, single)
			}
		})
	}
	// So are answers in a chat.
	answer := func(m *runtime.Model) (string, int64) {
		t.Helper()
		before, c := m.Stats().HeadTokens, m.NewChat()
		defer c.Close()
		_, r, err := collect(c.Send(t.Context(), "The king said", runtime.Generate{Seed: new(uint64(7)), MaxTokens: 20}))
		if err != nil {
			t.Fatal(err)
		}
		return r.Text, m.Stats().HeadTokens - before
	}
	want, _ := answer(full)
	if got, n := answer(sparse); got == want || n == 0 {
		t.Errorf("a chat: %q, and of the whole head %q; %d tokens of predicted rows", got, want, n)
	}
	if got, n := answer(whole); got != want || n == 0 {
		t.Errorf("a chat of all rows: %q, want %q; %d tokens of predicted rows", got, want, n)
	}
	// Logits that are asked for are all there.
	if err := sparse.Logits(t.Context(), []int32{1, 2, 3}, func(_ int, logits []float32) error {
		if slices.Contains(logits, float32(math.Inf(-1))) {
			t.Error("logits are left out")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := runtime.Open(t.Context(), modelPath, runtime.Options{SparseHead: new(0.)}); !errors.Is(err, runtime.ErrNoPredictor) {
		t.Error(err)
	}
}
