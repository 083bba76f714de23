package convert_test

import (
	"io"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"st/convert"
	"st/convert/calibration"
	"st/convert/modeltest"
	"st/format"
	"st/format/outfile"
	"st/quant"
)

// inputs are rows of correlated numbers, some columns larger than others, as those of real models are.
func inputs(seed uint64, rows, cols int) []float32 {
	rng := rand.New(rand.NewPCG(seed, 5))
	x := make([]float32, rows*cols)
	for r := range rows {
		common := rng.NormFloat64()
		for c := range cols {
			x[r*cols+c] = float32((rng.NormFloat64() + 2*common*float64(c%3)) * float64(1+c%7))
		}
	}
	return x
}

// With a calibration the products of weights and inputs lose less, in layers with experts and in those without, and so do those of
// down behind a dense activation.
func TestCalibratedDense(t *testing.T) {
	m := modeltest.New(modeltest.Shape{
		Arch: "qwen3moe", Layers: 2, Hidden: 64, Heads: 2, KVHeads: 1, HeadDim: 32, Experts: 2, TopK: 1, FFN: 64, DenseFFN: 96,
		DenseLayers: []int{0}, Vocab: 40, Context: 64,
	}, 1)
	dir := t.TempDir()
	if err := m.Write(dir); err != nil {
		t.Fatal(err)
	}
	text := edited(t, m, nil)
	config, err := convert.ParseConfig(text)
	if err != nil {
		t.Fatal(err)
	}
	const tokens = 256
	hidden, dense, expert := inputs(1, tokens, 64), inputs(2, tokens, 96), inputs(3, tokens, 64)
	k := calibration.NewCollector(&config, func(y []float32, w *[4]float32, x *[4][]float32) {
		for i := range w {
			for j := range y {
				y[j] += w[i] * x[i][j]
			}
		}
	})
	weights, chosen := make([]float32, tokens), make([]int32, tokens)
	for i := range weights {
		weights[i] = 1
	}
	for l := range 2 {
		k.AttentionInput(l, hidden)
		k.AttentionOutput(l, hidden)
	}
	k.FFNInput(0, hidden)
	k.DownInput(0, -1, dense, nil)
	k.ExpertInput(1, hidden, chosen, weights)
	k.DownInput(1, 0, expert, weights)
	k.HeadInput(hidden)
	path := filepath.Join(dir, "stats")
	if err := outfile.Write(path, outfile.Options{}, func(w io.Writer) error { return k.Statistics().Write(w) }); err != nil {
		t.Fatal(err)
	}
	stats, err := calibration.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer stats.Close()

	// errorOf is Σ (Δw·x)² of a tensor over all tokens, and what it would be if the columns were independent of one another.
	errorOf := func(r *format.Reader, name string, x []float32) (sum, independent float64) {
		rec, tensor, _ := r.Lookup(name)
		data := make([]byte, rec.Length)
		if err := r.ReadRecord(rec, data); err != nil {
			t.Fatal(err)
		}
		row, want := make([]float32, tensor.Cols), m.Tensor(name).Data
		for o := range tensor.Rows {
			tensor.DecodeRow(row, data, o)
			for at := 0; at < len(x); at += tensor.Cols {
				var d float64
				for c, v := range row {
					p := float64(v-want[o*tensor.Cols+c]) * float64(x[at+c])
					d += p
					independent += p * p
				}
				sum += d * d
			}
		}
		return sum, independent
	}
	q4 := quant.Q4_0
	recipe := convert.Recipe{Type: q4, Embed: &q4}
	_, search := convertTo(t, dir, convert.Options{Recipe: recipe, Encoder: convert.Search})
	_, important := convertTo(t, dir, convert.Options{Recipe: recipe, Encoder: convert.Search, Calibration: stats})
	_, gptq := convertTo(t, dir, convert.Options{Recipe: recipe, Encoder: convert.GPTQ, Calibration: stats})
	for _, tt := range []struct {
		name       string
		x          []float32
		covariance bool
	}{
		{"model.layers.0.self_attn.q_proj.weight", hidden, true},
		{"model.layers.1.self_attn.o_proj.weight", hidden, true},
		{"model.layers.0.mlp.gate_proj.weight", hidden, true},
		{"model.layers.0.mlp.down_proj.weight", dense, true},
		{"model.layers.1.mlp.experts.0.up_proj.weight", hidden, true},
		{"model.layers.1.mlp.experts.0.down_proj.weight", expert, false},
	} {
		_, plain := errorOf(search, tt.name, tt.x)
		weighted, independent := errorOf(important, tt.name, tt.x)
		compensated, _ := errorOf(gptq, tt.name, tt.x)
		if !(independent < 0.98*plain) {
			t.Errorf("%s: the error is %g without importance and %g with it", tt.name, plain, independent)
		}
		if tt.covariance && !(compensated < 0.5*weighted) || !tt.covariance && compensated != weighted {
			t.Errorf("%s: the error is %g without covariance and %g with it", tt.name, weighted, compensated)
		}
	}
}
