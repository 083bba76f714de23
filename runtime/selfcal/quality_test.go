package selfcal

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"st/convert"
	"st/quant"
	"st/runtime"
)

var measure = flag.Bool("measure", false, "measure all drafts and lengths of the text, for docs/quantization.md")

// TestQuality compares what the trained small model predicts with what it predicts without loss: with its own text it loses less than with
// the search alone. docs/quantization.md has the figures of
//
//	go test -v -run TestQuality ./runtime/selfcal -measure
func TestQuality(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	full := convert.Options{Recipe: convert.Recipe{Type: quant.F32}}
	if _, err := convert.Run(t.Context(), tiny, path("full.stm"), full); err != nil {
		t.Fatal(err)
	}
	search := convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}, Encoder: convert.Search}
	if _, err := convert.Run(t.Context(), tiny, path("search.stm"), search); err != nil {
		t.Fatal(err)
	}
	windows := 6
	if *measure {
		windows = math.MaxInt
	}
	plain := divergence(t, path("full.stm"), path("search.stm"), windows)
	t.Logf("search: %.5f", plain)
	of := func(draft quant.Type, tokens int, seed uint64) float64 {
		opts := options()
		opts.Tokens, opts.Seed, opts.draftType = tokens, seed, &draft
		name := path(fmt.Sprintf("%s-%d-%d.stm", draft, tokens, seed))
		if _, err := Convert(t.Context(), tiny, name, opts); err != nil {
			t.Fatal(err)
		}
		kl := divergence(t, path("full.stm"), name, windows)
		t.Logf("draft %s, %d tokens, seed %d: %.5f", draft, tokens, seed, kl)
		return kl
	}
	if kl := of(quant.Q4_0, 5120, 0); !(kl < 0.8*plain) {
		t.Errorf("the KL divergence is %.5f, with the search alone %.5f", kl, plain)
	}
	if !*measure {
		return
	}
	for seed := range uint64(2) {
		for _, draft := range []quant.Type{quant.Q4_0, quant.Q8_0, quant.F32} {
			of(draft, DefaultTokens, seed)
		}
		of(quant.Q4_0, 10240, seed)
	}
	of(quant.Q4_0, 5120, 1)
}

// divergence returns the mean KL divergence of a model's predictions from another's, over windows of the second half of the held-out text.
func divergence(t *testing.T, full, other string, windows int) float64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tiny, "heldout.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var models [2]*runtime.Model
	for i, path := range []string{full, other} {
		if models[i], err = runtime.Open(t.Context(), path, runtime.Options{Context: 512, KVType: runtime.KVF32}); err != nil {
			t.Fatal(err)
		}
		defer models[i].Close()
	}
	tokens, err := models[0].Encode(string(text[80000:]))
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	n := 0
	for i, window := range models[0].Windows(tokens, 512) {
		if i == windows || len(window) < 512 {
			break
		}
		want := make([][]float32, 512)
		if err := models[0].Logits(t.Context(), window, func(i int, logits []float32) error {
			want[i] = append(want[i], logits...)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := models[1].Logits(t.Context(), window, func(i int, logits []float32) error {
			if i >= 256 { // as st eval has it
				sum += kl(want[i], logits)
				n++
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return sum / float64(n)
}

// kl returns Σ p · (log p − log q) of two distributions, given as logits.
func kl(p, q []float32) (sum float64) {
	a, b := logSum(p), logSum(q)
	for i := range p {
		x, y := float64(p[i])-a, float64(q[i])-b
		sum += math.Exp(x) * (x - y)
	}
	return sum
}

func logSum(logits []float32) float64 {
	var sum float64
	for _, v := range logits {
		sum += math.Exp(float64(v) - float64(logits[0]))
	}
	return float64(logits[0]) + math.Log(sum)
}
