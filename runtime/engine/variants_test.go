package engine_test

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"st/convert"
	"st/convert/modeltest"
	"st/format"
	"st/quant"
	"st/runtime/engine"
)

// base is a small model; variants change it.
func base() modeltest.Shape {
	return modeltest.Shape{
		Layers: 3, Hidden: 64, Heads: 4, KVHeads: 2, HeadDim: 32, Experts: 5, TopK: 2, FFN: 48, Vocab: 50, Context: 512,
		RoPE: []int{0, 1, 1}, Sliding: []int{0, 1, 0}, Window: 7,
	}
}

func variant(f func(s *modeltest.Shape)) modeltest.Shape {
	s := base()
	f(&s)
	return s
}

var variants = map[string]modeltest.Shape{
	"sigmoid router, tied": base(),
	"softmax router":       variant(func(s *modeltest.Shape) { s.Softmax = true }),
	"YaRN": variant(func(s *modeltest.Shape) {
		s.Scaling = map[string]any{"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
	}),
	"short LongRoPE":            variant(longRoPE(64, nil)),
	"long LongRoPE":             variant(longRoPE(16, map[string]any{"factor": 3.0})),
	"biases of attention":       variant(func(s *modeltest.Shape) { s.AttentionBias = true }),
	"untied":                    variant(func(s *modeltest.Shape) { s.Untied = true }),
	"no windows":                variant(func(s *modeltest.Shape) { s.Sliding = nil }),
	"windows everywhere":        variant(func(s *modeltest.Shape) { s.Sliding, s.Window = []int{1, 1, 1}, 5 }),
	"window of one":             variant(func(s *modeltest.Shape) { s.Sliding, s.Window = []int{1, 1, 1}, 1 }),
	"window beyond a page":      variant(func(s *modeltest.Shape) { s.Sliding, s.Window = []int{1, 0, 1}, 270 }),
	"NoPE everywhere":           variant(func(s *modeltest.Shape) { s.RoPE = []int{0, 0, 0} }),
	"NoPE that slides":          variant(func(s *modeltest.Shape) { s.RoPE, s.Sliding = []int{0, 1, 0}, []int{1, 0, 1} }),
	"top-1":                     variant(func(s *modeltest.Shape) { s.TopK = 1 }),
	"all experts":               variant(func(s *modeltest.Shape) { s.TopK = 5 }),
	"one expert":                variant(func(s *modeltest.Shape) { s.Experts, s.TopK = 1, 1 }),
	"heads·dim is not hidden":   variant(func(s *modeltest.Shape) { s.Heads, s.KVHeads, s.HeadDim = 6, 2, 32 }),
	"one KV head":               variant(func(s *modeltest.Shape) { s.KVHeads = 1 }),
	"as many KV heads":          variant(func(s *modeltest.Shape) { s.KVHeads = 4 }),
	"rows of no whole block":    variant(func(s *modeltest.Shape) { s.Hidden, s.HeadDim = 40, 10 }),
	"only o_proj falls back":    variant(func(s *modeltest.Shape) { s.HeadDim = 18 }),
	"neurons of no whole group": variant(func(s *modeltest.Shape) { s.FFN, s.Vocab = 19, 37 }),
	"an odd number of blocks":   variant(func(s *modeltest.Shape) { s.Hidden, s.Heads, s.KVHeads = 96, 3, 1 }),
	"float16 source":            variant(func(s *modeltest.Shape) { s.DType = "F16" }),
	"bfloat16 source":           variant(func(s *modeltest.Shape) { s.DType = "BF16" }),
}

// anyType returns number formats for what does not depend on them: one where tests are to be short.
func anyType(types ...quant.Type) []quant.Type {
	if testing.Short() {
		return types[len(types)-1:]
	}
	return types
}

// open converts a model and opens it.
func open(t *testing.T, m *modeltest.Model, write func(*modeltest.Model, string) error, typ quant.Type, opts engine.Options) *engine.Engine {
	t.Helper()
	return openReader(t, convertModel(t, m, write, typ), opts)
}

func convertModel(t *testing.T, m *modeltest.Model, write func(*modeltest.Model, string) error, typ quant.Type) *format.Reader {
	t.Helper()
	dir := t.TempDir()
	if err := write(m, dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "m.stm")
	if _, err := convert.Run(context.Background(), dir, path, convert.Options{Recipe: convert.Recipe{Type: typ}}); err != nil {
		t.Fatal(err)
	}
	return reader(t, path)
}

// prompt is longer than the windows, and than a batch if n is.
func prompt(n, vocab int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32((i*i*7 + i*3 + 1) % vocab)
	}
	return ids
}

// Every variant of the architecture, from every kind of checkpoint, gives the reference's logits.
func TestVariants(t *testing.T) {
	writers := map[string]func(*modeltest.Model, string) error{
		"safetensors": (*modeltest.Model).Write,
		"shards":      func(m *modeltest.Model, dir string) error { return m.WriteShards(dir, 3) },
		"torch":       (*modeltest.Model).WriteTorch,
	}
	for name, shape := range variants {
		t.Run(name, func(t *testing.T) {
			m := modeltest.New(shape, 1)
			n := 40
			if shape.Window > n {
				if testing.Short() {
					t.Skip("the reference takes its time over so many tokens")
				}
				n = 300 // more than a batch
			}
			tokens := prompt(n, shape.Vocab)
			want := m.Logits(tokens)
			for from, write := range writers {
				e := open(t, m, write, quant.F32, engine.Options{KVType: engine.KVF32, Threads: 3})
				check(t, from+" f32", e, tokens, want, 2e-3)
			}
			e := open(t, m, writers["safetensors"], quant.F16, engine.Options{Threads: 2})
			check(t, "f16", e, tokens, want, 2e-2)
		})
	}
}

// check holds an engine's logits against the reference: all at once, and in pieces of different sizes.
func check(t *testing.T, name string, e *engine.Engine, tokens []int32, want [][]float32, limit float64) {
	t.Helper()
	var worst float64
	s := session(t, e)
	err := s.ForwardAll(t.Context(), tokens, func(i int, got []float32) error {
		d, _ := difference(want[i], got)
		worst = max(worst, d)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Truncate(0)
	s.Expect(len(tokens))
	for at, n := 0, 1; at < len(tokens); at, n = at+n, n%5+1 {
		n = min(n, len(tokens)-at)
		got, err := s.Forward(t.Context(), tokens[at:at+n])
		if err != nil {
			t.Fatal(err)
		}
		d, _ := difference(want[at+n-1], got)
		worst = max(worst, d)
	}
	if worst > limit || math.IsNaN(worst) {
		t.Errorf("%s: max |Δlogit| is %g, allowed is %g", name, worst, limit)
	}
}

// checkSameBits checks that neither threads nor neighbours nor a budget change a bit of a model's logits.
func checkSameBits(t *testing.T, m *modeltest.Model, types ...quant.Type) {
	t.Helper()
	for _, typ := range types {
		r := convertModel(t, m, (*modeltest.Model).Write, typ)
		lengths := []int{1, 30, 1, 1, 280, 1}
		want := steps(t, session(t, openReader(t, r, engine.Options{Threads: 1})), lengths...)
		for name, other := range map[string]*engine.Engine{
			"threads": openReader(t, r, engine.Options{Threads: 3, Parallel: 4}),
			"budget":  stream(t, r, engine.Options{Threads: 2, Parallel: 2, Context: 512}, 0),
		} {
			for i, got := range steps(t, session(t, other), lengths...) {
				if !slices.Equal(got, want[i]) {
					t.Errorf("%s, %s: step %d has other bits", typ, name, i)
				}
			}
		}
	}
}

// In the block types, what is stored decides: the logits are those of the reference with the weights that the file holds.
func TestBlockTypesEqualDequantizedReference(t *testing.T) {
	for _, typ := range []quant.Type{quant.Q8_0, quant.Q4_0} {
		for _, name := range []string{"untied", "rows of no whole block", "only o_proj falls back", "neurons of no whole group", "an odd number of blocks"} {
			t.Run(fmt.Sprint(typ, " ", name), func(t *testing.T) {
				shape := variants[name]
				shape.Untied = true        // a table and a head of different types are two tensors
				shape.TopK = shape.Experts // no choice that a rounding could turn over
				m := modeltest.New(shape, 2)
				e := open(t, m, (*modeltest.Model).Write, typ, engine.Options{KVType: engine.KVF32, Threads: 2})
				dequantize(t, m, e)
				tokens := prompt(20, shape.Vocab)
				want := m.Logits(tokens)
				var kl float64
				err := session(t, e).ForwardAll(t.Context(), tokens, func(i int, got []float32) error {
					_, k := difference(want[i], got)
					kl += k / float64(len(tokens))
					return nil
				})
				// What is left is the rounding of activations to int8.
				if err != nil || kl > 1e-3 {
					t.Errorf("mean KL divergence is %g, %v", kl, err)
				}
			})
		}
	}
}

// dequantize replaces a model's weights by what its file holds.
func dequantize(t *testing.T, m *modeltest.Model, e *engine.Engine) {
	t.Helper()
	r := e.Reader()
	for i := range m.Tensors {
		tensor := &m.Tensors[i]
		rec, stored, ok := r.Lookup(tensor.Name)
		if !ok {
			t.Fatalf("tensor %s is not in the file", tensor.Name)
		}
		data := make([]byte, rec.Length)
		if err := r.ReadRecord(rec, data); err != nil {
			t.Fatal(err)
		}
		row := make([]float32, stored.Cols)
		for n := range stored.Rows {
			stored.DecodeRow(row, data, n)
			for c, v := range row {
				if stored.Transposed {
					tensor.Data[c*stored.Rows+n] = v
				} else {
					tensor.Data[n*stored.Cols+c] = v
				}
			}
		}
	}
}
