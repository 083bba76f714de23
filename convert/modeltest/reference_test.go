package modeltest

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// The reference computes what Transformers does: logits of random models that it has saved.
func TestReference(t *testing.T) {
	found := false
	for _, root := range []string{"../../testdata/architectures", "../../../shared/architectures", "../../../../shared/architectures"} {
		for _, name := range []string{"qwen3_dense", "qwen3_dense_yarn", "qwen3_moe", "qwen3_moe_mixed_shard", "gemma3_text", "gemma3n_text", "phi3"} {
			dir := filepath.Join(root, name)
			if _, err := os.Stat(dir); err != nil {
				continue
			}
			found = true
			t.Run(dir, func(t *testing.T) {
				m, err := Load(dir)
				if err != nil {
					t.Fatal(err)
				}
				var tokens []int32
				text, err := os.ReadFile(filepath.Join(dir, "golden_tokens.json"))
				if err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal(text, &tokens); err != nil {
					t.Fatal(err)
				}
				golden, err := os.ReadFile(filepath.Join(dir, "golden_logits.npy"))
				if err != nil {
					t.Fatal(err)
				}
				golden = golden[len(golden)-4*len(tokens)*m.Shape.Vocab:]
				var most float64
				for i, row := range m.Logits(tokens) {
					for v, got := range row {
						want := math.Float32frombits(binary.LittleEndian.Uint32(golden[4*(i*m.Shape.Vocab+v):]))
						most = max(most, math.Abs(float64(got-want)))
					}
				}
				t.Logf("max |Δlogit| %.2g", most)
				if !(most < 1e-4) {
					t.Errorf("max |Δlogit| is %g", most)
				}
			})
		}
	}
	if !found {
		t.Error("there is no model to compare with")
	}
}
