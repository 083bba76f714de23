package engine_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"st/convert/modeltest"
	"st/quant"
	"st/runtime/engine"
)

// qwen3Checkpoints are random checkpoints with reference logits and greedy continuations of Transformers: the one in testdata, and where they are
// at hand those of the other kinds.
func qwen3Checkpoints(t *testing.T) []string {
	dirs, err := filepath.Glob("../../../shared/architectures/qwen3*")
	if err != nil {
		t.Fatal(err)
	}
	return append(dirs, "../../testdata/architectures/qwen3_moe_mixed_shard")
}

// Logits and greedy continuations are those of Transformers, in memory and within a budget.
func TestQwen3Golden(t *testing.T) {
	for _, dir := range qwen3Checkpoints(t) {
		tokens, want := goldenLogits(t, dir)
		greedy := goldenTokens(t, filepath.Join(dir, "golden_greedy.json"))
		for _, tt := range []struct {
			typ     quant.Type
			memory  int64
			maxDiff float64
		}{{quant.F32, 0, 2e-3}, {quant.F32, 48 << 20, 2e-3}, {quant.BF16, 0, 2e-3}, {quant.F16, 0, 2e-2}} {
			t.Run(fmt.Sprintf("%s %s memory %d", filepath.Base(dir), tt.typ, tt.memory), func(t *testing.T) {
				e := openCheckpoint(t, dir, tt.typ, engine.Options{KVType: engine.KVF32, Threads: 2, Memory: tt.memory, Context: 128})
				check(t, "golden", e, tokens, want, tt.maxDiff)
				checkGreedy(t, e, greedy)
			})
		}
	}
}

// qwen3Variants are shapes of Qwen3 and Qwen3-MoE.
var qwen3Variants = map[string]modeltest.Shape{
	"dense, tied":         qwen3(func(s *modeltest.Shape) { s.Arch = "qwen3" }),
	"dense, untied":       qwen3(func(s *modeltest.Shape) { s.Arch, s.Untied = "qwen3", true }),
	"experts":             qwen3(func(s *modeltest.Shape) { s.NormTopK = true }),
	"weights that differ": qwen3(func(s *modeltest.Shape) { s.NormTopK = false }),
	"dense layers":        qwen3(func(s *modeltest.Shape) { s.NormTopK, s.DenseLayers = true, []int{1} }),
	"every second layer":  qwen3(func(s *modeltest.Shape) { s.Layers, s.SparseStep = 4, 2 }),
	"wider dense layers":  qwen3(func(s *modeltest.Shape) { s.DenseFFN, s.DenseLayers = 160, []int{0} }),
	"no whole blocks":     qwen3(func(s *modeltest.Shape) { s.FFN, s.DenseFFN, s.DenseLayers = 19, 33, []int{2} }),
	"all experts":         qwen3(func(s *modeltest.Shape) { s.TopK, s.NormTopK = s.Experts, true }),
	"YaRN": qwen3(func(s *modeltest.Shape) {
		s.TopK = s.Experts // no choice that a rounding could turn over
		s.Scaling = map[string]any{"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}
	}),
	"biases of attention": qwen3(func(s *modeltest.Shape) { s.AttentionBias, s.NormTopK = true, true }),
	"linear, dense":       qwen3(func(s *modeltest.Shape) { s.Arch = "qwen3"; scaled("linear", 0)(s) }),
	"short LongRoPE":      qwen3(longRoPE(64, nil)),
	"long LongRoPE":       qwen3(func(s *modeltest.Shape) { s.TopK = s.Experts; longRoPE(16, nil)(s) }),
	"LongRoPE, dense":     qwen3(func(s *modeltest.Shape) { s.Arch = "qwen3"; longRoPE(16, map[string]any{"factor": 3.0})(s) }),
	"Llama 3's RoPE": qwen3(func(s *modeltest.Shape) {
		s.TopK, s.Theta = s.Experts, 100 // one pair is kept, others are mixed, others divided
		s.Scaling = map[string]any{"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
	}),
}

func qwen3(edit func(s *modeltest.Shape)) modeltest.Shape {
	s := modeltest.Shape{Arch: "qwen3moe", Layers: 3, Hidden: 64, Heads: 4, KVHeads: 2, HeadDim: 32, Experts: 6, TopK: 2, FFN: 48, DenseFFN: 96,
		Vocab: 50, Context: 512}
	edit(&s)
	return s
}

// Every variant gives the reference's logits; block types come near; and a budget, threads and neighbours change no bit.
func TestQwen3Variants(t *testing.T) {
	for name, shape := range qwen3Variants {
		t.Run(name, func(t *testing.T) {
			m := modeltest.New(shape, 1)
			tokens := prompt(40, shape.Vocab)
			want := m.Logits(tokens)
			write := (*modeltest.Model).Write
			check(t, "f32", open(t, m, write, quant.F32, engine.Options{KVType: engine.KVF32, Threads: 3}), tokens, want, 2e-3)
			check(t, "f16", open(t, m, write, quant.F16, engine.Options{Threads: 2}), tokens, want, 2e-2)
			checkSameBits(t, m, quant.F32, quant.Q8_0, quant.Q4_0)
		})
	}
}

// A model of an architecture that the engine does not run is refused by name.
func TestUnknownArchitecture(t *testing.T) {
	r := reader(t, write(t, base(), quant.F32))
	r.Config.Architecture = "mamba"
	if _, err := engine.Open(t.Context(), r, engine.Options{}); !errors.Is(err, engine.ErrUnsupported) {
		t.Errorf("error is %v, want ErrUnsupported", err)
	}
}
