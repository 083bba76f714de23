package engine_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"st/convert"
	"st/convert/modeltest"
	"st/quant"
	"st/runtime/engine"
)

// convertGGUF converts a GGUF file and opens the model.
func convertGGUF(t *testing.T, path string, recipe convert.Recipe) *engine.Engine {
	t.Helper()
	target := filepath.Join(t.TempDir(), "model.stm")
	if _, err := convert.Run(t.Context(), path, target, convert.Options{Recipe: recipe, Encoder: convert.Search}); err != nil {
		t.Fatal(err)
	}
	return openReader(t, reader(t, target), engine.Options{KVType: engine.KVF32, Threads: 2})
}

// divergences returns the largest |Δlogit| and the mean and the median KL divergence from the reference.
func divergences(t *testing.T, e *engine.Engine, tokens []int32, want [][]float32) (top, mean, median float64) {
	t.Helper()
	var all []float64
	err := session(t, e).ForwardAll(t.Context(), tokens, func(i int, got []float32) error {
		d, kl := difference(want[i], got)
		top, all = max(top, d), append(all, kl)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, kl := range all {
		mean += kl / float64(len(all))
	}
	slices.Sort(all)
	return top, mean, all[len(all)/2]
}

// Models of every architecture as GGUF files of every type, whole and split, down transposed and not: as F32 the logits are those of the reference
// for the numbers in the file, and in the file's own type they differ by what activations of 8 bits cost.
func TestGGUF(t *testing.T) {
	shape := modeltest.Shape{Layers: 3, Hidden: 64, Heads: 2, KVHeads: 1, HeadDim: 32, Experts: 4, TopK: 2, FFN: 64, Vocab: 64, Context: 64}
	tokens := make([]int32, 24)
	for i := range tokens {
		tokens[i] = int32(i * 37 % 64)
	}
	for name, edit := range map[string]func(s *modeltest.Shape){
		"smallthinker": func(s *modeltest.Shape) {},
		"layered": func(s *modeltest.Shape) {
			s.Layers, s.RoPE, s.Sliding, s.Window, s.Softmax = 5, []int{0, 1, 1, 1, 0}, []int{0, 1, 1, 1, 0}, 8, true
		},
		"untied":   func(s *modeltest.Shape) { s.Untied = true },
		"qwen3moe": func(s *modeltest.Shape) { s.Arch, s.NormTopK, s.Untied = "qwen3moe", true, true },
		"qwen3":    func(s *modeltest.Shape) { s.Arch, s.Experts, s.FFN, s.DenseFFN = "qwen3", 0, 0, 96 },
		"phi3":     func(s *modeltest.Shape) { s.Arch, s.Experts, s.FFN, s.DenseFFN, s.Untied = "phi3", 0, 0, 96, true },
		"phi3 longrope": func(s *modeltest.Shape) {
			s.Arch, s.Experts, s.FFN, s.DenseFFN, s.PartialRotary, s.Sliding, s.Window = "phi3", 0, 0, 96, 0.75, []int{1, 1, 1}, 20
			s.LongRoPE = map[string]any{"short_factor": factors(12, 0), "long_factor": factors(12, 0.25), "original_max_position_embeddings": 16}
		},
	} {
		for _, typ := range quant.Types() {
			s := shape
			edit(&s)
			o := modeltest.GGUF{Type: typ}
			if s.Arch == "" && typ == quant.Q4_0 {
				o.DownTransposed = true
				s.FFN = 96 // so that the shape tells
			}
			if typ == quant.Q8_0 {
				o.Shards = 3
			}
			t.Run(fmt.Sprintf("%s %s", name, typ), func(t *testing.T) {
				m := modeltest.New(s, 2)
				path, err := m.WriteGGUF(filepath.Join(t.TempDir(), "m.gguf"), o)
				if err != nil {
					t.Fatal(err)
				}
				want := m.Logits(tokens)
				top, _, _ := divergences(t, convertGGUF(t, path, convert.Recipe{Type: quant.F32}), tokens, want)
				if top > 2e-3 {
					t.Errorf("as f32, max |Δlogit| is %g", top)
				}
				top, mean, median := divergences(t, convertGGUF(t, path, convert.Recipe{Type: typ, Embed: &typ, Keep: typ.Block() > 1}), tokens, want)
				t.Logf("as %s: max |Δlogit| %.2g, KL divergence: mean %.2g, median %.2g", typ, top, mean, median)
				if limit := map[quant.Type]float64{quant.F32: 1e-9, quant.F16: 1e-5, quant.BF16: 1e-5, quant.Q8_0: 3e-3, quant.Q4_0: 3e-3}[typ]; median > limit {
					t.Errorf("as %s, the median KL divergence is %g, allowed is %g", typ, median, limit)
				}
			})
		}
	}
}

// Files of llama.cpp's own making, where they are at hand, with the logits that an independent implementation computes from their numbers.
func TestGGUFReference(t *testing.T) {
	var files []string
	for _, root := range []string{"../../../shared", "../../../../shared"} {
		found, err := filepath.Glob(filepath.Join(root, "gguf", "*", "*.gguf"))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if files == nil {
		t.Skip("the files are not here")
	}
	for _, path := range files {
		t.Run(filepath.Join(filepath.Base(filepath.Dir(path)), filepath.Base(path)), func(t *testing.T) {
			tokens := goldenTokens(t, filepath.Join(filepath.Dir(path), "tokens.json"))
			npy, err := os.ReadFile(strings.TrimSuffix(path, "gguf") + "npy")
			if err != nil {
				t.Fatal(err)
			}
			data := npy[10+int(binary.LittleEndian.Uint16(npy[8:])):]
			var want [][]float32
			for range tokens {
				row := make([]float32, len(data)/4/(len(tokens)-len(want)))
				if err := binary.Read(bytes.NewReader(data), binary.LittleEndian, row); err != nil {
					t.Fatal(err)
				}
				want, data = append(want, row), data[4*len(row):]
			}
			top, mean, _ := divergences(t, convertGGUF(t, path, convert.Recipe{Type: quant.F32}), tokens, want)
			t.Logf("as f32: max |Δlogit| %.2g, mean KL divergence %.2g", top, mean)
			if top > 2e-3 {
				t.Errorf("as f32, max |Δlogit| is %g", top)
			}
			// The mean is made by the few tokens whose choice of experts changes: the models are random, and their routers undecided. The median tells what
			// activations of 8 bits cost, and what is quantized again.
			q8, name := quant.Q8_0, filepath.Base(path)
			type conversion struct {
				recipe convert.Recipe
				limit  float64 // of the median KL divergence
			}
			tests := map[string]conversion{"as it is": {convert.Recipe{Type: quant.F16, Keep: true}, 2e-3}}
			switch name {
			case "q4_0.gguf", "pure-q4_0.gguf": // down has to be turned
				tests["as it is"] = conversion{convert.Recipe{Keep: true}, 0.03}
				tests["down as q8_0"] = conversion{convert.Recipe{Keep: true, Down: &q8}, 2e-3}
			case "q4_k_m.gguf", "iq4_nl.gguf": // four bits become other four bits
				tests["as it is"] = conversion{convert.Recipe{Keep: true}, 0.3}
				tests["as q8_0"] = conversion{convert.Recipe{Type: q8}, 4e-3}
			}
			for what, tt := range tests {
				top, mean, median := divergences(t, convertGGUF(t, path, tt.recipe), tokens, want)
				t.Logf("%s: max |Δlogit| %.2g, KL divergence: mean %.2g, median %.2g", what, top, mean, median)
				if median > tt.limit {
					t.Errorf("%s, the median KL divergence is %g, allowed is %g", what, median, tt.limit)
				}
			}
		})
	}
}
