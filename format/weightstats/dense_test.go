package weightstats_test

import (
	"path/filepath"
	"testing"

	"st/convert"
	"st/convert/modeltest"
	"st/format"
	"st/format/weightstats"
	"st/quant"
)

// Experts of a dense activation, whose down is stored as the checkpoint has it, and layers without experts are measured too.
func TestDenseActivation(t *testing.T) {
	m := modeltest.New(modeltest.Shape{
		Arch: "qwen3moe", Layers: 2, Hidden: 64, Heads: 2, KVHeads: 1, HeadDim: 32, Experts: 3, TopK: 2, FFN: 32, DenseFFN: 96,
		DenseLayers: []int{0}, Vocab: 40, Context: 64,
	}, 1)
	clear(m.Tensor("model.layers.1.mlp.experts.2.gate_proj.weight").Data[5*64 : 7*64])
	clear(m.Tensor("model.layers.1.mlp.experts.2.down_proj.weight").Data[9*32 : 12*32]) // outputs, not neurons
	dir := t.TempDir()
	if err := m.Write(dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "m.stm")
	if _, err := convert.Run(t.Context(), dir, path, convert.Options{Recipe: convert.Recipe{Type: quant.Q8_0}}); err != nil {
		t.Fatal(err)
	}
	r, err := format.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	report, err := weightstats.Measure(t.Context(), r, weightstats.Options{Layer: -1})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(report.Layers[0].Dense); n != 11 || len(report.Layers[0].Experts) != 0 {
		t.Errorf("layer 0 has %d dense tensors, want 11, and %d experts", n, len(report.Layers[0].Experts))
	}
	for i, x := range report.Layers[1].Experts {
		dead, rows := 0, int64(0)
		if i == 2 {
			dead, rows = 2, 3
		}
		if x.DeadNeurons != dead || x.Matrices[2].Stats.ZeroRows != rows {
			t.Errorf("expert %d: %d dead neurons, want %d; %d zero rows of down, want %d", i, x.DeadNeurons, dead, x.Matrices[2].Stats.ZeroRows, rows)
		}
	}
}
