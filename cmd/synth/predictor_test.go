package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"st/convert"
	"st/format"
	"st/quant"
)

// Where inputs lie in a space of fewer dimensions than the predictor's rank, it foretells the likeliest token, and as many rows as are to be.
func TestFit(t *testing.T) {
	const vocab, hidden, rank, within, n = 3000, 96, 32, 24, 400
	h := lmHead{vocab, hidden, func(v int, dst []float32) {
		r := stream(1, "head", v)
		r.normal(dst, 0.1)
		dst[0] += 0.3 // what all rows share shifts all logits alike
	}}
	x, r := make([]float32, n*hidden), stream(1, "inputs", 0)
	for i := range n {
		row := x[i*hidden:][:hidden]
		r.normal(row[1:within], 1)
		row[hidden-1] = 2 // what all inputs share
	}
	fc1, fc2, err := h.fit(x, rank)
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]float32, vocab*hidden)
	for v := range vocab {
		h.row(v, rows[v*hidden:][:hidden])
	}
	logits, scores := project(x, rows, hidden), project(project(x, fc1, hidden), fc2, rank)
	above, missed := 0, 0
	for i := range n {
		top := i * vocab
		for j := i * vocab; j < (i+1)*vocab; j++ {
			if logits[j] > logits[top] {
				top = j
			}
			if scores[j] > predictedFrom {
				above++
			}
		}
		if scores[top] <= predictedFrom {
			missed++
		}
	}
	if share := float64(above) / float64(n*vocab); share < 0.05 || share > 0.08 || missed > 0 {
		t.Errorf("%.3f of the rows are predicted, want %v; %d of %d likeliest tokens are not among them", share, predictedShare, missed, n)
	}
	for _, tt := range []struct{ n, rank int }{{n, 30}, {n, 0}, {n, 128}, {rank, rank}} {
		if _, _, err := h.fit(x[:tt.n*hidden], tt.rank); err == nil {
			t.Errorf("rank %d of %d inputs is taken", tt.rank, tt.n)
		}
	}
}

// A checkpoint with a predictor is converted with it.
func TestHeadPredictor(t *testing.T) {
	dir := generate(t, "-layers", "1", "-head-predictor", "-predictor-rank", "64")
	path := filepath.Join(t.TempDir(), "model.stm")
	if _, err := convert.Run(context.Background(), dir, path, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}}); err != nil {
		t.Fatal(err)
	}
	r, err := format.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Config.HeadPredictorRank != 64 {
		t.Errorf("the rank is %d", r.Config.HeadPredictorRank)
	}
	if err := run(context.Background(), []string{"-o", filepath.Join(t.TempDir(), "x"), "-head-predictor", "-calibrate=false"}, nil); err == nil {
		t.Error("a predictor of random weights is taken")
	}
}

// The head's inputs are found again in a trained model's logits, and a predictor of them is written.
func TestFitModel(t *testing.T) {
	dir := t.TempDir()
	path, text := filepath.Join(dir, "f32.stm"), filepath.Join(dir, "text")
	if _, err := convert.Run(context.Background(), "../../testdata/tiny-smallthinker", path, convert.Options{Recipe: convert.Recipe{Type: quant.F32}}); err != nil {
		t.Fatal(err)
	}
	heldout(t, text, 1500)
	fit := func(args ...string) error {
		return run(t.Context(), append([]string{"-fit-predictor", path, "-predictor-rank", "32", "-o", dir}, args...), nil)
	}
	file := filepath.Join(dir, predictorFile)
	for _, tt := range []struct {
		args []string
		want string // a part of the error
	}{
		{nil, "-fit-predictor needs -text and -o"},
		{[]string{"-text", text, "stray"}, `unexpected argument "stray"`},
		{[]string{"-text", text, "-shape", "4b"}, "-shape has no effect"},
		{[]string{"-text", text, "-o", filepath.Join(dir, "none")}, "does not exist"},
	} {
		if err := fit(tt.args...); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: error is %v, want one with %q", tt.args, err, tt.want)
		}
	}
	if exists(file) {
		t.Fatal("a predictor is written in spite of errors")
	}
	if err := os.WriteFile(file, []byte("another"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := fit("-text", text); err == nil || !strings.Contains(err.Error(), predictorFile+" exists; -force replaces it") {
		t.Errorf("a predictor that is there: %v", err)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "another" {
		t.Errorf("the other predictor is %q (%v)", data, err)
	}
	if err := fit("-text", text, "-force"); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) == "another" {
		t.Errorf("no predictor is written (%v)", err)
	}
}

func heldout(t *testing.T, path string, n int) {
	t.Helper()
	data, err := os.ReadFile("../../testdata/tiny-smallthinker/heldout.txt")
	if err == nil {
		err = os.WriteFile(path, data[:n], 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
