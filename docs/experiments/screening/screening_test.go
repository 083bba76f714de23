// Package screening measures how much of the language-model head an exact top k would read.
package screening

import (
	"flag"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"st/convert"
	"st/format"
	"st/quant"
	"st/runtime/engine"
	"st/tokenizer"
)

var screenModel = flag.String("screen-model", "", "the .stm file that TestScreening measures, instead of the tiny model in Q4_0")

// sketch is a head [vocab, hidden] in fewer bits, with what it takes to bound the error of its products: W = sketch + R, so
// |W·x − sketch·x| ≤ Σ_b ‖R_b‖·‖x_b‖ over blocks b of 32 (Cauchy-Schwarz), which is at most ‖R‖·‖x‖.
type sketch struct {
	bits   int
	values [][]float32 // [vocab][hidden]
	errors [][]float32 // [vocab][hidden/32]: ‖R_b‖
}

func newSketch(head [][]float32, bits int) *sketch {
	s := &sketch{bits: bits}
	for _, w := range head {
		v, e := make([]float32, len(w)), make([]float32, len(w)/quant.BlockSize)
		for b := range e {
			block := w[b*quant.BlockSize:][:quant.BlockSize]
			low := slices.Min(block)
			step := (slices.Max(block) - low) / float32(int(1)<<bits)
			var ss float64
			for i, x := range block {
				k := min(float32(int(1)<<bits)-1, float32(math.Floor(float64((x-low)/max(step, 1e-30)))))
				v[b*quant.BlockSize+i] = low + step*(k+0.5)
				ss += math.Pow(float64(x-v[b*quant.BlockSize+i]), 2)
			}
			e[b] = float32(math.Sqrt(ss))
		}
		s.values, s.errors = append(s.values, v), append(s.errors, e)
	}
	return s
}

// screen returns the rows that may be among the k largest products with x.
func (s *sketch) screen(head [][]float32, x []float32, k int) []int {
	norms := make([]float64, len(x)/quant.BlockSize)
	for b := range norms {
		norms[b] = math.Sqrt(dot64(x[b*quant.BlockSize:][:quant.BlockSize], x[b*quant.BlockSize:][:quant.BlockSize]))
	}
	guess := make([]float64, len(head))
	order := make([]int, len(head))
	for i := range head {
		guess[i], order[i] = dot64(s.values[i], x), i
	}
	// The k-th largest exact product of the rows that look best is a lower limit for the k-th largest of all.
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case guess[a] > guess[b]:
			return -1
		case guess[a] < guess[b]:
			return 1
		}
		return a - b
	})
	limit := math.Inf(1)
	for _, i := range order[:k] {
		limit = min(limit, dot64(head[i], x))
	}
	var left []int
	for i := range head {
		bound := guess[i]
		for b, n := range norms {
			bound += float64(s.errors[i][b]) * n
		}
		if bound >= limit {
			left = append(left, i)
		}
	}
	return left
}

func dot64(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

// witness keeps the head's inputs [tokens, hidden].
type witness struct{ head []float32 }

func (*witness) AttentionInput(int, []float32)                  {}
func (*witness) AttentionOutput(int, []float32)                 {}
func (*witness) ExpertInput(int, []float32, []int32, []float32) {}
func (*witness) FFNInput(int, []float32)                        {}
func (*witness) DownInput(int, int, []float32, []float32)       {}
func (w *witness) HeadInput(x []float32)                        { w.head = append(w.head, x...) }

// TestScreening asks what an exact top-40 by screening the head with a sketch would read: the sketch with its scales for all
// rows, and the missing bits of the rows that its error bound leaves. No row of the top 40 may be screened out. See
// docs/experiments/speed.md for what came of it.
func TestScreening(t *testing.T) {
	const k, positions = 40, 12
	path := *screenModel
	if path == "" {
		path = filepath.Join(t.TempDir(), "tiny.stm")
		if _, err := convert.Run(t.Context(), "../../../testdata/tiny-smallthinker", path, convert.Options{Recipe: convert.Recipe{Type: quant.Q4_0}}); err != nil {
			t.Fatal(err)
		}
	}
	r, err := format.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	e, err := engine.Open(t.Context(), r, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	tok, err := tokenizer.Load(r.Tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	var head [][]float32
	name := "lm_head.weight"
	if _, _, ok := r.Lookup(name); !ok {
		name = "model.embed_tokens.weight"
	}
	rec, tensor, _ := r.Lookup(name)
	data, err := r.Map()
	if err != nil {
		t.Fatal(err)
	}
	for i := range tensor.Rows {
		row := make([]float32, tensor.Cols)
		tensor.DecodeRow(row, data[rec.Offset:][:rec.Length], i)
		head = append(head, row)
	}
	// Hidden states at the end of texts of different lengths.
	ids := tok.Encode("It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, "+
		"it was the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season of Darkness.", true)
	var w witness
	e.Observe(&w)
	s, err := e.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Forward(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	var hidden [][]float32
	for i := 1; i <= positions; i++ {
		last := len(ids)*i/positions - 1
		hidden = append(hidden, w.head[last*tensor.Cols:][:tensor.Cols])
	}
	full := 0.5 + 2.0/quant.BlockSize // bytes a weight
	for bits := 1; bits <= 3; bits++ {
		sk := newSketch(head, bits)
		var read, worst float64
		for _, x := range hidden {
			left := sk.screen(head, x, k)
			var exact []float64
			for i := range head {
				exact = append(exact, dot64(head[i], x))
			}
			limit := slices.Sorted(slices.Values(exact))[len(exact)-k]
			n := 0
			for _, i := range left {
				if exact[i] >= limit {
					n++
				}
			}
			if n < k {
				t.Fatalf("%d bits: only %d of the top %d are left", bits, n, k)
			}
			share := float64(len(left)) / float64(len(head))
			read += share / positions
			worst = max(worst, share)
		}
		// The norms of R take another two bytes a block.
		bytes := float64(bits)/8 + 4.0/quant.BlockSize + read*float64(4-bits)/8
		t.Logf("%d-bit sketch of [%d, %d]: %.1f %% of rows left (at most %.1f %%), reads %.0f %% of the head",
			bits, tensor.Rows, tensor.Cols, 100*read, 100*worst, 100*bytes/full)
	}
}
