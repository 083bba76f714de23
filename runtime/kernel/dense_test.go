package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"st/quant"
)

// testDense returns a random feed-forward, and its matrices as stored.
func testDense(rng *rand.Rand, gate, up, down quant.Type, ffn, hidden int) (d *Dense, gates, ups, downs [][]float32) {
	d = &Dense{}
	for _, m := range []struct {
		to         *Matrix
		stored     *[][]float32
		typ        quant.Type
		rows, cols int
	}{{&d.Gate, &gates, gate, ffn, hidden}, {&d.Up, &ups, up, ffn, hidden}, {&d.Down, &downs, down, hidden, ffn}} {
		w, stored := testMatrix(rng, m.typ, m.typ.Block() > 1, m.rows, m.cols)
		*m.to, *m.stored = *w, stored
	}
	return d, gates, ups, downs
}

// forward computes a feed-forward for some vectors, by units as threads would.
func forward(d *Dense, x *Input, idx []int32, unit int) (h *Input, y []float32) {
	ffn, hidden := d.Gate.Rows, d.Down.Rows
	h, y = NewInput(len(idx), ffn), make([]float32, len(idx)*hidden)
	scratch := new(Scratch)
	for u := 0; u < d.Units(); u += unit {
		d.Hidden(h.F, ffn, u, min(u+unit, d.Units()), x, idx, scratch)
	}
	all := make([]int32, len(idx))
	for i := range all {
		all[i] = int32(i)
		h.Quantize(i)
	}
	MulEach(y, hidden, &d.Down, 0, d.Down.Units(), h, all, scratch)
	return h, y
}

// A dense feed-forward is its formula, in all types and mixtures of them, with sizes that units and blocks do not divide, and a
// token's bits do not depend on the others.
func TestDense(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 1))
	type mix struct{ gate, up, down quant.Type }
	mixes := []mix{{quant.Q4_0, quant.Q8_0, quant.F16}, {quant.F16, quant.Q4_0, quant.Q8_0}, {quant.Q8_0, quant.BF16, quant.F32}}
	for _, typ := range quant.Types() {
		mixes = append(mixes, mix{typ, typ, typ})
	}
	forEachISA(t, func(t *testing.T) {
		for _, m := range mixes {
			for _, ffn := range []int{32, 96, 40, 1} {
				if !m.down.Fits(ffn) {
					m.down = quant.F16 // what a file has then
				}
				const hidden, batch = 64, 9
				d, gates, ups, downs := testDense(rng, m.gate, m.up, m.down, ffn, hidden)
				x := testInput(rng, batch, hidden)
				all := []int32{8, 0, 3, 1, 2, 7, 6, 5, 4}
				h, y := forward(d, x, all, 3)
				for i, v := range all {
					a, b := used(x, int(v), m.gate), used(x, int(v), m.up)
					for j := range ffn {
						g := dot64(gates[j], a)
						want := g / (1 + math.Exp(-g)) * dot64(ups[j], b)
						if got := h.Row(i)[j]; math.Abs(float64(got)-want) > 1e-3 {
							t.Fatalf("%v, ffn %d: h[%d, %d] is %g, want %g", m, ffn, i, j, got, want)
						}
					}
					rounded := used(h, i, m.down)
					for r := range hidden {
						if want := dot64(downs[r], rounded); math.Abs(float64(y[i*hidden+r])-want) > 1e-3*math.Sqrt(float64(ffn)) {
							t.Fatalf("%v, ffn %d: y[%d, %d] is %g, want %g", m, ffn, i, r, y[i*hidden+r], want)
						}
					}
				}
				for n := 1; n <= 5; n++ {
					h1, y1 := forward(d, x, all[2:2+n], 1)
					if !slices.EqualFunc(h1.F, h.F[2*ffn:][:n*ffn], sameBits) || !slices.EqualFunc(y1, y[2*hidden:][:n*hidden], sameBits) {
						t.Errorf("%v, ffn %d: %d tokens have other bits than among %d", m, ffn, n, batch)
					}
				}
			}
		}
	})
}

// BenchmarkSwiGLU runs experts of the shape of Qwen3-30B-A3B's (hidden 2048, ffn 768) in Q4_0, all of them out of DRAM; for ReGLU
// experts of a like size see BenchmarkReGLU.
func BenchmarkSwiGLU(b *testing.B) {
	const ffn, hidden, experts = 768, 2048, 48
	rng := rand.New(rand.NewPCG(5, 6))
	one, _, _, _ := testDense(rng, quant.Q4_0, quant.Q4_0, quant.Q4_0, ffn, hidden)
	all := make([]Dense, experts)
	bytes := 0
	for i := range all {
		all[i] = *one
		for _, m := range []*Matrix{&all[i].Gate, &all[i].Up, &all[i].Down} {
			m.Data = slices.Clone(m.Data)
		}
	}
	bytes = int(one.Gate.Bytes() + one.Up.Bytes() + one.Down.Bytes())
	for _, tokens := range []int{1, 4, 32} {
		x, h := testInput(rng, tokens, hidden), NewInput(tokens, ffn)
		idx := make([]int32, tokens)
		for i := range idx {
			idx[i] = int32(i)
		}
		y := make([]float32, tokens*hidden)
		var scratch Scratch
		i := 0
		bench(b, fmt.Sprintf("%dtokens", tokens), bytes, func() {
			d := &all[i%experts]
			i++
			d.Hidden(h.F, ffn, 0, d.Units(), x, idx, &scratch)
			for t := range idx {
				h.Quantize(t)
			}
			MulEach(y, hidden, &d.Down, 0, d.Down.Units(), h, idx, &scratch)
		})
	}
	gate, up := make([]float32, ffn), make([]float32, ffn)
	for i := range gate {
		gate[i], up[i] = float32(rng.NormFloat64()), float32(rng.NormFloat64())
	}
	dst := make([]float32, ffn)
	bench(b, "silu", 12*ffn, func() { SiLUMul(dst, gate, up) })
}
