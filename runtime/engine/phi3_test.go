package engine_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"st/convert"
	"st/convert/modeltest"
	"st/quant"
	"st/runtime/engine"
)

// phi3Checkpoints are random checkpoints with reference logits and greedy continuations of Transformers.
func phi3Checkpoints(t *testing.T) []string {
	dirs, err := filepath.Glob("../../../shared/architectures/phi3*")
	if err != nil {
		t.Fatal(err)
	}
	return append(dirs, "../../testdata/architectures/phi3")
}

// Logits and greedy continuations are those of Transformers, in memory and within a budget.
func TestPhi3Golden(t *testing.T) {
	for _, dir := range phi3Checkpoints(t) {
		if _, err := os.Stat(dir); err != nil {
			t.Fatal(err)
		}
		tokens, want := goldenLogits(t, dir)
		greedy := goldenTokens(t, filepath.Join(dir, "golden_greedy.json"))
		for _, tt := range []struct {
			typ     quant.Type
			memory  int64
			maxDiff float64
			maxKL   float64
		}{{quant.F32, 0, 1e-3, 1e-9}, {quant.F32, 48 << 20, 1e-3, 1e-9}, {quant.BF16, 0, 1e-3, 1e-9}, {quant.F16, 0, 2e-2, 1e-6}, {quant.Q8_0, 0, 0, 1e-3}} {
			t.Run(fmt.Sprintf("%s %s memory %d", filepath.Base(dir), tt.typ, tt.memory), func(t *testing.T) {
				e := openCheckpoint(t, dir, tt.typ, engine.Options{KVType: engine.KVF32, Threads: 2, Memory: tt.memory, Context: 128})
				var top, kl float64
				err := session(t, e).ForwardAll(t.Context(), tokens, func(i int, got []float32) error {
					d, k := difference(want[i], got)
					top, kl = max(top, d), kl+k/float64(len(tokens))
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("max |Δlogit| %.2g, mean KL divergence %.2g", top, kl)
				if tt.maxDiff > 0 && top > tt.maxDiff || kl > tt.maxKL {
					t.Errorf("max |Δlogit| is %g, allowed is %g; mean KL divergence is %g, allowed is %g", top, tt.maxDiff, kl, tt.maxKL)
				}
				if tt.typ == quant.Q8_0 {
					return
				}
				checkGreedy(t, e, greedy)
			})
		}
	}
}

// A file that was exported for llama.cpp, and converted again, has the logits of Transformers.
func TestPhi3GGUF(t *testing.T) {
	const dir = "../../testdata/architectures/phi3"
	tokens, want := goldenLogits(t, dir)
	model, path := filepath.Join(t.TempDir(), "model.stm"), filepath.Join(t.TempDir(), "model.gguf")
	if _, err := convert.Run(t.Context(), dir, model, convert.Options{Recipe: convert.Recipe{Type: quant.F32}}); err != nil {
		t.Fatal(err)
	}
	if _, err := convert.Export(t.Context(), model, path, convert.ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	check(t, "through GGUF", convertGGUF(t, path, convert.Recipe{Type: quant.F32}), tokens, want, 1e-3)
}

// factors are those of LongRoPE for so many pairs of dimensions.
func factors(pairs int, base float64) []float64 {
	f := make([]float64, pairs)
	for i := range f {
		f[i] = 1 + base*float64(i)
	}
	return f
}

// phi3Variants are shapes of Phi-3 and Phi-4.
var phi3Variants = map[string]modeltest.Shape{
	"untied":               phi3(func(s *modeltest.Shape) { s.Untied = true }),
	"tied, partial rotary": phi3(func(s *modeltest.Shape) { s.PartialRotary = 0.75 }),
	"a window":             phi3(func(s *modeltest.Shape) { s.Sliding, s.Window = []int{1, 1, 1}, 9 }),
	"a window beyond all":  phi3(func(s *modeltest.Shape) { s.Sliding, s.Window = []int{1, 1, 1}, 4096 }),
	"one KV head":          phi3(func(s *modeltest.Shape) { s.KVHeads = 1 }),
	"as many KV heads":     phi3(func(s *modeltest.Shape) { s.KVHeads = 4 }),
	"heads of 96":          phi3(func(s *modeltest.Shape) { s.Hidden, s.Heads, s.KVHeads, s.HeadDim = 192, 2, 2, 96 }),
	"no whole blocks":      phi3(func(s *modeltest.Shape) { s.DenseFFN, s.Vocab = 83, 57 }),
	"short":                phi3(longRoPE(64, nil)),
	"long":                 phi3(longRoPE(16, nil)),
	"as long as may be":    phi3(longRoPE(40, nil)),
	"an attention factor":  phi3(longRoPE(16, map[string]any{"attention_factor": 1.3})),
	"a factor":             phi3(longRoPE(16, map[string]any{"factor": 3.0})),
	"linear":               phi3(scaled("linear", 0.75)),
	"dynamic":              phi3(scaled("dynamic", 1)),
	"YaRN, partial rotary": phi3(scaled("yarn", 0.75)),
	"Llama 3's RoPE":       phi3(scaled("llama3", 0.75)),
	"bfloat16, partial, long": phi3(func(s *modeltest.Shape) {
		s.DType, s.PartialRotary, s.Untied = "BF16", 0.5, true
		s.LongRoPE = map[string]any{"short_factor": factors(8, 0), "long_factor": factors(8, 0.3), "original_max_position_embeddings": 32}
	}),
}

func phi3(edit func(s *modeltest.Shape)) modeltest.Shape {
	s := modeltest.Shape{Arch: "phi3", Layers: 3, Hidden: 128, Heads: 4, KVHeads: 2, HeadDim: 32, DenseFFN: 96, Vocab: 50, Context: 512}
	edit(&s)
	return s
}

// scaled gives a shape angles that are stretched, of a part of a head.
func scaled(kind string, partial float64) func(s *modeltest.Shape) {
	return func(s *modeltest.Shape) {
		s.PartialRotary, s.Theta = partial, 100
		s.Scaling = map[string]any{"rope_type": kind, "factor": 8.0}
		if kind == "llama3" {
			s.Scaling["low_freq_factor"], s.Scaling["high_freq_factor"] = 1.0, 4.0
		}
		if kind == "yarn" || kind == "llama3" {
			s.Scaling["original_max_position_embeddings"] = 32
		}
	}
}

// longRoPE gives a shape the factors of LongRoPE, and a length from which on the long ones count.
func longRoPE(original int, more map[string]any) func(s *modeltest.Shape) {
	return func(s *modeltest.Shape) {
		s.LongRoPE = map[string]any{"short_factor": factors(16, 0.01), "long_factor": factors(16, 0.25), "original_max_position_embeddings": original}
		for k, v := range more {
			s.LongRoPE[k] = v
		}
	}
}

// Every variant gives the reference's logits, from every kind of checkpoint; and a budget, threads and neighbours change no bit.
func TestPhi3Variants(t *testing.T) {
	for name, shape := range phi3Variants {
		t.Run(name, func(t *testing.T) {
			m := modeltest.New(shape, 1)
			tokens := prompt(40, shape.Vocab)
			want := m.Logits(tokens)
			for kind, write := range map[string]func(*modeltest.Model, string) error{
				"safetensors": (*modeltest.Model).Write, "torch": (*modeltest.Model).WriteTorch,
				"shards": func(m *modeltest.Model, dir string) error { return m.WriteShards(dir, 3) },
			} {
				if kind != "safetensors" && name != "untied" && shape.DType == "" { // what is in the files does not depend on the shape
					continue
				}
				check(t, "f32, "+kind, open(t, m, write, quant.F32, engine.Options{KVType: engine.KVF32, Threads: 3}), tokens, want, 1e-3)
			}
			check(t, "f16", open(t, m, (*modeltest.Model).Write, quant.F16, engine.Options{Threads: 2}), tokens, want, 2e-2)
			checkSameBits(t, m, quant.F32, quant.Q8_0, quant.Q4_0)
		})
	}
}

// A sequence that grows beyond what LongRoPE calls short has at every length the logits of the whole text, and so has one that is cut below it again.
func TestLongRoPEGrows(t *testing.T) {
	m := modeltest.New(phi3(longRoPE(20, nil)), 1)
	tokens := prompt(30, 50)
	e := open(t, m, (*modeltest.Model).Write, quant.F32, engine.Options{KVType: engine.KVF32, Threads: 2})
	equal := func(what string, n int, got []float32) {
		t.Helper()
		if d, _ := difference(m.Logits(tokens[:n])[n-1], got); d > 1e-3 {
			t.Errorf("%s, %d tokens: max |Δlogit| is %g", what, n, d)
		}
	}
	s := session(t, e)
	for n := range tokens {
		equal("token by token", n+1, forward(t, s, tokens[n]))
	}
	if kept := s.Truncate(18); kept != 18 {
		t.Fatalf("%d tokens are kept, want 18", kept)
	}
	equal("cut", 19, forward(t, s, tokens[18]))
	equal("cut", 23, forward(t, s, tokens[19:23]...))

	// A prompt that is run in parts has the logits of the whole if it is announced.
	s = session(t, e)
	s.Expect(len(tokens))
	want := m.Logits(tokens)
	at := 0
	for _, part := range [][]int32{tokens[:7], tokens[7:19], tokens[19:]} {
		err := s.ForwardAll(t.Context(), part, func(i int, got []float32) error {
			if d, _ := difference(want[at+i], got); d > 1e-3 {
				t.Errorf("announced, token %d: max |Δlogit| is %g", at+i, d)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		at += len(part)
	}
}
