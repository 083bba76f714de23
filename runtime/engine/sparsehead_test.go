package engine_test

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"st/convert/checkpoint/ckpttest"
	"st/convert/modeltest"
	"st/format"
	"st/quant"
	"st/runtime/engine"
)

const sparseVocab = 1500

// withPredictor writes a model and a random predictor of its head.
func withPredictor(m *modeltest.Model, dir string) error {
	rng := rand.New(rand.NewPCG(3, 9))
	random := func(name string, rows, cols int) ckpttest.Tensor {
		t := ckpttest.Tensor{Name: name, DType: "F32", Shape: []int{rows, cols}, Data: make([]float32, rows*cols)}
		for i := range t.Data {
			t.Data[i] = float32(rng.NormFloat64() / math.Sqrt(float64(cols)))
		}
		return t
	}
	tensors := []ckpttest.Tensor{random("fc1.weight", 32, m.Shape.Hidden), random("fc2.weight", sparseVocab, 32)}
	return errors.Join(m.Write(dir), ckpttest.WriteTorch(filepath.Join(dir, "model_lm_head.pt"), tensors, nil))
}

func sparseModel() *modeltest.Model {
	return modeltest.New(modeltest.Shape{
		Layers: 2, Hidden: 64, Heads: 2, KVHeads: 1, HeadDim: 32, Experts: 3, TopK: 2, FFN: 32, Vocab: sparseVocab, Context: 64, Sliding: []int{0, 1}, Window: 8,
	}, 1)
}

// Rows that are predicted have the bits of the whole head and the others −∞, the same ones whatever the number of threads, with and without a
// memory bound, alone or in a draft. There are enough of them, and a threshold of −∞ leaves none out.
func TestSparseHead(t *testing.T) {
	tokens := []int32{5, 900, 31, 7, 1400, 12, 5}
	for _, typ := range anyType(quant.F16, quant.Q8_0, quant.Q4_0) {
		r := convertModel(t, sparseModel(), withPredictor, typ)
		whole := logitsOneByOne(t, openReader(t, r, engine.Options{Threads: 1}), tokens, false)
		for _, threshold := range []float64{math.Inf(-1), 0.2, 0.6, math.Inf(1)} {
			var first [][]float32
			for _, opts := range []engine.Options{{Threads: 1}, {Threads: 3}, {Threads: 2, Memory: 256 << 20}, {Threads: 2, Parallel: 2}} {
				name := fmt.Sprintf("%s, threshold %v, %d threads, memory %d", typ, threshold, opts.Threads, opts.Memory)
				opts.SparseHead = &threshold
				e := openReader(t, r, opts)
				got := logitsOneByOne(t, e, tokens, true)
				for i := range got {
					rows := 0
					for r, v := range got[i] {
						if math.IsInf(float64(v), -1) {
							continue
						}
						if rows++; math.Float32bits(v) != math.Float32bits(whole[i][r]) {
							t.Fatalf("%s: logit %d of token %d is %v, want %v", name, r, i, v, whole[i][r])
						}
					}
					switch {
					case rows < 256 || math.IsInf(threshold, 1) && rows != 256:
						t.Errorf("%s: %d rows", name, rows)
					case math.IsInf(threshold, -1) && rows != sparseVocab, threshold == 0.2 && rows == sparseVocab:
						t.Errorf("%s: %d rows", name, rows)
					}
					if first != nil && !slices.Equal(got[i], first[i]) {
						t.Errorf("%s: other rows than with other options", name)
					}
				}
				if first == nil {
					first = got
				}
				if s := e.Stats(); s.HeadTokens != int64(len(tokens)) || s.HeadRows < 256*s.HeadTokens {
					t.Errorf("%s: %d rows of %d tokens are counted", name, s.HeadRows, s.HeadTokens)
				}
				// A draft, and a session that asks for the whole head.
				checkDraft(t, e, tokens, first, name)
				checkBoth(t, e, tokens, first, whole, name)
				if all := logitsOneByOne(t, e, tokens[:2], false); !slices.Equal(all[1], whole[1]) {
					t.Errorf("%s: the whole head gives other logits", name)
				}
			}
		}
	}
}

func logitsOneByOne(t *testing.T, e *engine.Engine, tokens []int32, sparse bool) (all [][]float32) {
	t.Helper()
	s, err := e.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.SetSparseHead(sparse)
	for i := range tokens {
		logits, err := s.Forward(t.Context(), tokens[i:i+1])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, slices.Clone(logits))
	}
	return all
}

func checkDraft(t *testing.T, e *engine.Engine, tokens []int32, want [][]float32, name string) {
	t.Helper()
	s, err := e.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.SetSparseHead(true)
	checked := 0
	for checked < len(tokens) {
		from := checked
		if _, _, err := s.Verify(t.Context(), tokens[from:], func(i int, logits []float32) bool {
			if !slices.Equal(logits, want[from+i]) {
				t.Fatalf("%s: token %d of a draft has other logits", name, from+i)
			}
			checked++
			return true
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// Both rows of logits are those of sessions that ask for one of them.
func checkBoth(t *testing.T, e *engine.Engine, tokens []int32, predicted, whole [][]float32, name string) {
	t.Helper()
	s, err := e.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for n := range tokens {
		if err := s.ForwardBoth(t.Context(), tokens[n:n+1], func(_ int, logits, some []float32) error {
			if !slices.Equal(logits, whole[n]) || !slices.Equal(some, predicted[n]) {
				t.Errorf("%s: token %d has other logits where both are asked for", name, n)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// A model without a predictor is refused.
func TestNoPredictor(t *testing.T) {
	e := open(t, sparseModel(), (*modeltest.Model).Write, quant.Q4_0, engine.Options{Threads: 1})
	s, err := e.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.ForwardBoth(t.Context(), []int32{1}, nil); !errors.Is(err, engine.ErrNoPredictor) {
		t.Error(err)
	}
	threshold := 0.
	if _, err := engine.Open(t.Context(), e.Reader(), engine.Options{SparseHead: &threshold}); !errors.Is(err, engine.ErrNoPredictor) {
		t.Error(err)
	}
}

// A record that holds more than the predictor stays in memory for what else is in it, whether or not the predictor is used.
func TestPredictorBesideOthers(t *testing.T) {
	tokens := []int32{5, 900, 31, 7}
	whole := open(t, sparseModel(), withPredictor, quant.Q8_0, engine.Options{Threads: 1})
	path := filepath.Join(t.TempDir(), "joined.stm")
	joinRecords(t, whole.Reader(), path, format.RoleHeadPredictorIn, format.RoleFinalNorm)
	want := logitsOneByOne(t, whole, tokens, false)
	threshold := 0.2
	for _, opts := range []engine.Options{{}, {Memory: 256 << 20}, {SparseHead: &threshold}, {SparseHead: &threshold, Memory: 256 << 20}} {
		opts.Threads = 1
		e := openReader(t, reader(t, path), opts)
		if got := logitsOneByOne(t, e, tokens, false); !slices.EqualFunc(got, want, slices.Equal) {
			t.Errorf("memory %d, predicted rows %t: other logits than with a record for each", opts.Memory, opts.SparseHead != nil)
		}
	}
}

// joinRecords writes a model of which the tensors of two roles, each the only one of its record, are in one.
func joinRecords(t *testing.T, r *format.Reader, path string, first, second format.Role) {
	t.Helper()
	a, _, _ := r.Role(first, -1)
	b, _, _ := r.Role(second, -1)
	padding := -a.Length & 63
	var records []format.Record
	var data []byte
	read := func(rec *format.Record) {
		at := len(data)
		data = append(data, make([]byte, rec.Length)...)
		if err := r.ReadRecord(rec, data[at:]); err != nil {
			t.Fatal(err)
		}
	}
	for i := range r.Records() {
		rec := &r.Records()[i]
		switch rec {
		case a:
			joined := format.Record{Layer: -1, Expert: -1, Tensors: slices.Concat(a.Tensors, b.Tensors)}
			joined.Tensors[len(a.Tensors)].Offset = a.Length + padding
			records = append(records, joined)
			read(a)
			data = append(data, make([]byte, padding)...)
			read(b)
		case b:
		default:
			records = append(records, format.Record{Layer: rec.Layer, Expert: rec.Expert, Tensors: rec.Tensors})
			read(rec)
		}
	}
	w, err := format.Create(path, r.Meta, records, format.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(r.Provenance); err != nil {
		t.Fatal(err)
	}
}

// The rows of the highest scores are found, of equal ones the first, and none whose score is not a number.
func TestLikeliestRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	kinds := map[string]func() float32{
		"random":  func() float32 { return float32(rng.NormFloat64()) },
		"few":     func() float32 { return float32(rng.IntN(3)) },
		"equal":   func() float32 { return -1.5 },
		"lowest":  func() float32 { return -inf },
		"highest": func() float32 { return inf },
		"no":      func() float32 { return nan },
		"edges":   func() float32 { return []float32{inf, -inf, nan, 0, 1}[rng.IntN(5)] },
	}
	for kind, number := range kinds {
		for _, n := range []int{1, 100, 256, 1000, 64 * 255, 64 * 256, 64*300 + 17} {
			scores := make([]float32, n)
			var want []int32
			for i := range scores {
				if scores[i] = number(); scores[i] == scores[i] {
					want = append(want, int32(i))
				}
			}
			slices.SortStableFunc(want, func(a, b int32) int { return cmp.Compare(scores[b], scores[a]) })
			want = want[:min(len(want), 256)]
			slices.Sort(want)
			if got := engine.LikeliestRows(scores); !slices.Equal(got, want) {
				t.Errorf("%s, %d scores: %d rows, not those of the highest scores", kind, n, len(got))
			}
			numbers := slices.DeleteFunc(slices.Clone(scores), func(v float32) bool { return v != v })
			sorted := slices.Sorted(slices.Values(numbers))
			for range min(3, len(numbers)) {
				k := 1 + rng.IntN(len(numbers))
				if got := engine.Largest(numbers, k); got != sorted[len(sorted)-k] {
					t.Errorf("%s: number %d of %d is %v, want %v", kind, k, n, got, sorted[len(sorted)-k])
				}
			}
		}
	}
}
