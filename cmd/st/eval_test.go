package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// heldout writes the first n bytes of text that the tiny model was not trained on to a file.
func heldout(t *testing.T, n int) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(checkpoint, "heldout.txt"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(path, text[:n], 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEval(t *testing.T) {
	r := mustJSON[evalReport](t, "eval", tiny(t), "--text", heldout(t, 8000), "--ctx", "256", "--json", "--quiet")
	if r.Context != 256 || r.Windows != r.Tokens/256 || r.ScoredTokens != r.Windows*127 {
		t.Errorf("%+v", r)
	}
	// Recorded; another order of summation may move the last digits.
	const recorded = 85.3
	if math.Abs(r.Perplexity-recorded) > 0.01*recorded || math.Abs(math.Log(r.Perplexity)-r.NLLMean) > 1e-9 ||
		r.StandardError < 0.02*recorded || r.StandardError > 0.1*recorded {
		t.Errorf("perplexity %.4f ± %.4f, mean %.4f: recorded was %v", r.Perplexity, r.StandardError, r.NLLMean, recorded)
	}
}

func TestEvalWindows(t *testing.T) {
	text := heldout(t, 700)
	for _, tt := range []struct{ ctx, stdout, stderr string }{
		{"64", "in 3 windows of 64\n", "tokens make no whole window and are left out"},
		{"512", "in 1 window of 210\n", "has only 210 tokens: one shorter window"},
		{"4096", "in 1 window of 210\n", "windows of 1024 tokens, which is the model's context"},
	} {
		o := st("eval", tiny(t), "--text", text, "--ctx", tt.ctx)
		if o.code != exitOK || !strings.HasPrefix(o.stdout, "perplexity ") || !strings.HasSuffix(o.stdout, tt.stdout) || !strings.Contains(o.stderr, tt.stderr) {
			t.Errorf("--ctx %s: %+v", tt.ctx, o)
		}
	}
}

func TestNegativeLogLikelihood(t *testing.T) {
	logits := []float32{1000, 999, -1000}
	sum := 1 + math.Exp(-1)
	for id, want := range []float64{math.Log(sum), 1 + math.Log(sum), 2000 + math.Log(sum)} {
		if got := negativeLogLikelihood(logits, int32(id)); math.Abs(got-want) > 1e-9 {
			t.Errorf("token %d: %v, want %v", id, got, want)
		}
	}
}

func TestPerplexityResult(t *testing.T) {
	p := &perplexity{}
	for _, logits := range [][]float32{{0, 0}, {0, 0, 0, 0}} { // probabilities 1/2 and 1/4
		if err := p.score(logits, 0); err != nil {
			t.Fatal(err)
		}
	}
	mean, ppl, standardError := p.result()
	// The mean of ln 2 and ln 4 is 1.5 ln 2; their standard deviation about it is 0.5 ln 2, over sqrt(n-1) = 1.
	if math.Abs(mean-1.5*math.Ln2) > 1e-12 || math.Abs(ppl-math.Pow(2, 1.5)) > 1e-12 || math.Abs(standardError-ppl*0.5*math.Ln2) > 1e-9 {
		t.Errorf("mean %v, perplexity %v ± %v", mean, ppl, standardError)
	}
	if err := p.score([]float32{float32(math.NaN()), 0}, 1); err == nil {
		t.Error("NaN logits are scored")
	}
}
