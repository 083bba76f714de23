package server

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"st/convert"
	"st/convert/checkpoint/ckpttest"
	"st/quant"
)

// sparsePath converts the trained model with a random predictor of its head.
func sparsePath(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := ckpttest.CopyWithPredictor(dir, "../../testdata/tiny-smallthinker", 4096, 192, 32); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "tiny.stm")
	if _, err := convert.Run(context.Background(), dir, path, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}, Encoder: convert.Search}); err != nil {
		t.Fatal(err)
	}
	return path
}

// A request for log probabilities has those of the whole head, whatever the server leaves out for others. The predictor is random and the threshold
// high, so that the others' texts do differ.
func TestSparseHeadLogProbs(t *testing.T) {
	path, high := sparsePath(t), 1e9
	whole, sparse := start(t, Options{Models: []string{path}}), start(t, Options{Models: []string{path}, SparseHead: &high})
	const prompt = `"prompt": "The king said", "max_tokens": 12, "temperature": 0`
	texts := map[string][2]string{}
	for name, fields := range map[string]string{"text": "", "log probabilities": `, "logprobs": 3`} {
		a := get[completion](t, whole, "/v1/completions", `{"model": "tiny", `+prompt+fields+`}`)
		b := get[completion](t, sparse, "/v1/completions", `{"model": "tiny", `+prompt+fields+`}`)
		texts[name] = [2]string{a.Choices[0].Text, b.Choices[0].Text}
		if fields == "" {
			continue
		}
		l, m := a.Choices[0].LogProbs, b.Choices[0].LogProbs
		if len(l.TokenLogProbs) != 12 || !slices.EqualFunc(l.TokenLogProbs, m.TokenLogProbs, func(p, q *logProb) bool { return *p == *q }) {
			t.Errorf("log probabilities %v, of the whole head %v", m.TokenLogProbs, l.TokenLogProbs)
		}
	}
	if p := texts["log probabilities"]; p[0] != p[1] || p[0] != texts["text"][0] {
		t.Errorf("%q: log probabilities change the text", texts)
	}
	if p := texts["text"]; p[0] == p[1] {
		t.Errorf("%q: nothing is left out", p)
	}
}
