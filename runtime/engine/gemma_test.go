package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"st/convert"
	"st/convert/modeltest"
	"st/quant"
	"st/runtime/engine"
)

// gemmaCheckpoints are random checkpoints with reference logits and greedy continuations of Transformers.
func gemmaCheckpoints(t *testing.T) []string {
	var all []string
	for _, root := range []string{"../../testdata", "../../../shared", "../../../../shared"} {
		dirs, err := filepath.Glob(root + "/architectures/gemma3*")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, dirs...)
	}
	return all
}

// Logits and greedy continuations are those of Transformers, in memory and within a budget.
func TestGemmaGolden(t *testing.T) {
	for _, dir := range gemmaCheckpoints(t) {
		tokens, want := goldenLogits(t, dir)
		greedy := goldenTokens(t, filepath.Join(dir, "golden_greedy.json"))
		for _, tt := range []struct {
			typ     quant.Type
			memory  int64
			maxDiff float64 // 0: not held, nor is the continuation
			maxKL   float64
		}{{quant.F32, 0, 2e-3, 1e-8}, {quant.F32, 48 << 20, 2e-3, 1e-8}, {quant.BF16, 0, 2e-3, 1e-8}, {quant.F16, 0, 2e-2, 1e-5}, {quant.Q8_0, 0, 0, 1e-3}} {
			t.Run(fmt.Sprintf("%s %s memory %d", filepath.Base(dir), tt.typ, tt.memory), func(t *testing.T) {
				e := openCheckpoint(t, dir, tt.typ, engine.Options{KVType: engine.KVF32, Threads: 2, Memory: tt.memory, Context: 128})
				var kl float64
				err := session(t, e).ForwardAll(t.Context(), tokens, func(i int, got []float32) error {
					_, k := difference(want[i], got)
					kl += k / float64(len(tokens))
					return nil
				})
				if err != nil || !(kl <= tt.maxKL) {
					t.Errorf("mean KL divergence is %g, %v", kl, err)
				}
				if tt.maxDiff == 0 {
					return
				}
				check(t, "golden", e, tokens, want, tt.maxDiff)
				checkGreedy(t, e, greedy)
			})
		}
	}
}

// gemma3Variants are shapes of Gemma 3.
var gemma3Variants = map[string]modeltest.Gemma{
	"tied":                  gemma3(func(g *modeltest.Gemma) {}),
	"untied, softcap":       gemma3(func(g *modeltest.Gemma) { g.Untied, g.Softcap = true, 3 }),
	"a scale of its own":    gemma3(func(g *modeltest.Gemma) { g.Scalar = 21 }),
	"stretched":             gemma3(func(g *modeltest.Gemma) { g.Linear, g.Theta, g.LocalTheta = 8, 5e5, 700 }),
	"all slide":             gemma3(func(g *modeltest.Gemma) { g.Sliding, g.Window = []int{1, 1, 1, 1}, 1 }),
	"none slides":           gemma3(func(g *modeltest.Gemma) { g.Sliding = nil }),
	"one KV head":           gemma3(func(g *modeltest.Gemma) { g.Heads, g.KVHeads, g.HeadDim = 3, 1, 64 }),
	"biases of attention":   gemma3(func(g *modeltest.Gemma) { g.AttentionBias = true }),
	"no whole blocks":       gemma3(func(g *modeltest.Gemma) { g.Hidden, g.HeadDim, g.FFN, g.Vocab = 40, 18, 33, 53 }),
	"bfloat16, old config":  gemma3(func(g *modeltest.Gemma) { g.DType, g.OldConfig, g.Linear = "BF16", true, 8 }),
	"window beyond a batch": gemma3(func(g *modeltest.Gemma) { g.Window = 270 }),
}

func gemma3(edit func(g *modeltest.Gemma)) modeltest.Gemma {
	g := modeltest.Gemma{Layers: 4, Hidden: 64, Heads: 4, KVHeads: 2, HeadDim: 32, FFN: 96, Vocab: 50, Context: 512, Sliding: []int{1, 1, 0, 1}, Window: 7}
	edit(&g)
	return g
}

// gemma3nVariants are shapes of Gemma 3n.
var gemma3nVariants = map[string]modeltest.Gemma{
	"all parts":             gemma3n(func(g *modeltest.Gemma) {}),
	"nothing shared":        gemma3n(func(g *modeltest.Gemma) { g.Shared, g.Sliding = 0, []int{1, 1, 0, 1, 0} }),
	"all but two share":     gemma3n(func(g *modeltest.Gemma) { g.Shared, g.Sliding, g.KeepShared = 3, []int{1, 0, 0, 1, 1}, true }),
	"window beyond a batch": gemma3n(func(g *modeltest.Gemma) { g.Window = 270 }),
	"window of one":         gemma3n(func(g *modeltest.Gemma) { g.Window = 1 }),
	"the third is active":   gemma3n(func(g *modeltest.Gemma) { g.Active, g.NoCorrectScale, g.Clip = 2, true, 0.2 }),
	"two vectors":           gemma3n(func(g *modeltest.Gemma) { g.AltUp, g.Softcap = 2, 0 }),
	"six vectors, untied":   gemma3n(func(g *modeltest.Gemma) { g.AltUp, g.Untied, g.Active = 6, true, 5 }),
	"dense":                 gemma3n(func(g *modeltest.Gemma) { g.Sparsity = nil }),
	"sparse everywhere":     gemma3n(func(g *modeltest.Gemma) { g.Sparsity = []float64{.5, .95, .3, .99, .7} }),
	"networks that differ":  gemma3n(func(g *modeltest.Gemma) { g.FFNs = []int{96, 33, 64, 160, 96} }),
	"a short table":         gemma3n(func(g *modeltest.Gemma) { g.PerLayerVocab = 31 }),
	"biases of attention":   gemma3n(func(g *modeltest.Gemma) { g.AttentionBias, g.KeepShared = true, true }),
	"no whole blocks":       gemma3n(func(g *modeltest.Gemma) { g.Hidden, g.HeadDim, g.FFN, g.PerLayer, g.Laurel = 40, 18, 50, 10, 5 }),
	"bfloat16, old config":  gemma3n(func(g *modeltest.Gemma) { g.DType, g.OldConfig, g.KeepShared = "BF16", true, true }),
}

func gemma3n(edit func(g *modeltest.Gemma)) modeltest.Gemma {
	g := modeltest.Gemma{Layers: 5, Hidden: 64, Heads: 4, KVHeads: 2, HeadDim: 32, FFN: 96, Vocab: 53, Context: 512, Sliding: []int{1, 0, 1, 1, 0}, Window: 7,
		Softcap: 30, AltUp: 4, Laurel: 32, PerLayer: 32, Sparsity: []float64{.9, .9, 0, 0, 0}, Shared: 2}
	edit(&g)
	return g
}

// gemmaSources are the ways to write a checkpoint, alone and as the text part of a model that sees.
var gemmaSources = map[string]func(m *modeltest.Model, dir string) error{
	"safetensors": (*modeltest.Model).Write,
	"torch":       (*modeltest.Model).WriteTorch,
	"text part of a published checkpoint, shards": func(m *modeltest.Model, dir string) error {
		c := m.Clone()
		c.Surround(false)
		return c.WriteShards(dir, 3)
	},
	"text part as Transformers 5 has it": func(m *modeltest.Model, dir string) error {
		c := m.Clone()
		c.Surround(true)
		return c.Write(dir)
	},
}

// Every variant, from every kind of checkpoint, gives the reference's logits; and a budget, threads and neighbours change no bit.
func TestGemma3Variants(t *testing.T) { testGemma(t, gemma3Variants, 2e-2) }

// Random mixing of the residual stream's vectors makes roundings grow: float16 costs more than elsewhere.
func TestGemma3nVariants(t *testing.T) { testGemma(t, gemma3nVariants, 1e-1) }

func testGemma(t *testing.T, variants map[string]modeltest.Gemma, f16 float64) {
	for name, shape := range variants {
		t.Run(name, func(t *testing.T) {
			m := modeltest.NewGemma(shape, 1)
			tokens := prompt(40, shape.Vocab)
			want := m.Logits(tokens)
			for from, write := range gemmaSources {
				if from != "safetensors" && name != "tied" && name != "all parts" {
					continue
				}
				check(t, from+" f32", open(t, m, write, quant.F32, engine.Options{KVType: engine.KVF32, Threads: 3}), tokens, want, 2e-3)
			}
			check(t, "f16", open(t, m, gemmaSources["safetensors"], quant.F16, engine.Options{Threads: 2}), tokens, want, f16)
			checkSameBits(t, m, quant.F32, quant.Q4_0)
		})
	}
}

// Sequences of Gemma 3n that run together give what each gives alone, where keys and values are shared and tables are read from the file too.
func TestGemma3nTogether(t *testing.T) {
	dir := t.TempDir()
	if err := modeltest.NewGemma(gemma3nVariants["all parts"], 3).Write(dir); err != nil {
		t.Fatal(err)
	}
	alone := openCheckpoint(t, dir, quant.Q4_0, engine.Options{Threads: 1})
	var want [4][][]float32
	for i := range want {
		want[i] = runScript(t, session(t, alone), i)
	}
	for name, e := range map[string]*engine.Engine{
		"mapped":   openReader(t, alone.Reader(), engine.Options{Threads: 2, Parallel: 4}),
		"streamed": stream(t, alone.Reader(), engine.Options{Threads: 2, Parallel: 3, Context: 512}, 4<<20),
	} {
		var wg sync.WaitGroup
		for i := range want {
			s := session(t, e)
			wg.Go(func() {
				for step, got := range runScript(t, s, i) {
					if !slices.Equal(got, want[i][step]) {
						t.Errorf("%s: sequence %d, step %d differs from what it gives alone", name, i, step)
					}
				}
			})
		}
		wg.Wait()
	}
}

// The table of the layers' own embeddings takes no memory: a budget has the rows of a batch of tokens instead, and a MiB of rows that are kept.
func TestPerLayerTableStaysOnDisk(t *testing.T) {
	budget := func(rows int) *engine.Budget {
		g := gemma3nVariants["all parts"]
		g.PerLayerVocab = rows
		dir := t.TempDir()
		if err := modeltest.NewGemma(g, 3).Write(dir); err != nil {
			t.Fatal(err)
		}
		e := openCheckpoint(t, dir, quant.F32, engine.Options{Threads: 1, Memory: 64 << 20, Context: 64})
		forward(t, session(t, e), prompt(30, 50)...)
		if got := e.MemoryUse().Dense; got > e.Budget().Dense+1<<16 {
			t.Errorf("the dense part takes %d bytes, and was to take %d", got, e.Budget().Dense)
		}
		return e.Budget()
	}
	few, small, large := budget(60), budget(15000), budget(45000)
	if *small != *large {
		t.Errorf("with a table of three times the size, the budget is %+v instead of %+v", large, small)
	}
	if more := small.Working - few.Working; more <= 0 || more > 1<<20 {
		t.Errorf("with a table of 250 times the size, working memory takes %d bytes more", more)
	}
}

// GGUF files, in which weights of norms are those that are multiplied, give the reference's logits for the numbers in them; Gemma 3 is exported to one
// that gives the same.
func TestGemmaGGUF(t *testing.T) {
	for name, shape := range map[string]modeltest.Gemma{
		"gemma3": gemma3(func(g *modeltest.Gemma) { g.Linear, g.LocalTheta, g.Softcap, g.Sliding = 8, 700, 20, []int{1, 1, 0, 1} }), "untied": gemma3Variants["untied, softcap"],
		"gemma3n": gemma3nVariants["all parts"], "networks that differ": gemma3nVariants["networks that differ"], "dense": gemma3nVariants["dense"],
		"shared keys in the file": gemma3nVariants["all but two share"],
	} {
		for _, typ := range []quant.Type{quant.F32, quant.Q8_0} {
			t.Run(name+" "+typ.String(), func(t *testing.T) {
				m := modeltest.NewGemma(shape, 4)
				path, err := m.WriteGGUF(filepath.Join(t.TempDir(), "m.gguf"), modeltest.GGUF{Type: typ})
				if err != nil {
					t.Fatal(err)
				}
				tokens := prompt(30, shape.Vocab)
				want := m.Logits(tokens)
				e := convertGGUF(t, path, convert.Recipe{Type: quant.F32})
				check(t, "from GGUF", e, tokens, want, 2e-3)
				again := filepath.Join(t.TempDir(), "again.gguf")
				_, err = convert.Export(t.Context(), e.Reader().Path(), again, convert.ExportOptions{})
				if shape.AltUp > 0 {
					if !errors.Is(err, convert.ErrExport) {
						t.Errorf("export: the error is %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				check(t, "exported", convertGGUF(t, again, convert.Recipe{Type: quant.F32}), tokens, want, 2e-3)
			})
		}
	}
}

// What is saved of a sequence holds the keys and values that layers share once, and goes on with the same bits.
func TestGemma3nSnapshot(t *testing.T) {
	dir := t.TempDir()
	if err := modeltest.NewGemma(gemma3nVariants["all parts"], 3).Write(dir); err != nil {
		t.Fatal(err)
	}
	e := openCheckpoint(t, dir, quant.Q8_0, engine.Options{Threads: 1})
	tokens := prompt(40, 50)
	s, again := session(t, e), session(t, e)
	forward(t, s, tokens[:30]...)
	var saved bytes.Buffer
	n, err := s.Save(&saved)
	if err != nil || n != 30 || int64(saved.Len()) != e.SnapshotBytes(30) {
		t.Fatalf("%d tokens in %d bytes, want 30 in %d: %v", n, saved.Len(), e.SnapshotBytes(30), err)
	}
	if err := again.Load(t.Context(), tokens[:30], &saved); err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(forward(t, s, tokens[30:]...))
	if got := forward(t, again, tokens[30:]...); !slices.Equal(got, want) {
		t.Error("a sequence that was saved goes on with other bits")
	}
}
