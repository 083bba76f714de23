package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"st/quant"
)

// Wider registers change no bit of a token's neurons: all kernels of amd64 add in one order.
func TestNeuronsBits(t *testing.T) {
	was := ISA()
	defer Select(was)
	var wide []string
	for _, name := range isas() {
		if name == "avx2" || name == "avxvnni" || name == "avx512" {
			wide = append(wide, name)
		}
	}
	if len(wide) < 2 {
		t.Skipf("this CPU has %v: nothing to compare", isas())
	}
	rng := rand.New(rand.NewPCG(11, 1))
	for _, cols := range testCols {
		up, down := neuronRows(rng, cols, 23)
		for name, values := range cases(rng, cols) {
			x := quantized(values)
			list := []int32{22, 0, 1, 5, 6, 7, 8, 13, 14, 15, 16, 17, 21}
			h := make([]float32, len(list))
			for i := range h {
				h[i] = float32(rng.NormFloat64())
			}
			var want []float32
			start := cases(rng, cols)["random"]
			for _, isa := range wide {
				if err := Select(isa); err != nil {
					t.Fatal(err)
				}
				got := unaligned(start)
				neuronsQ4(got, list, h, &up, &down, x, Next{})
				if want == nil {
					want = slices.Clone(got)
				} else if !slices.EqualFunc(got, want, sameBits) {
					t.Fatalf("%d columns, %s: %s differs from %s", cols, name, isa, wide[0])
				}
			}
		}
	}
}

// A list that is cut where NeuronsAtOnce says gives the same bits: the assembly computes no more of them together.
func TestNeuronsCut(t *testing.T) {
	was := ISA()
	defer Select(was)
	list := []int32{22, 0, 1, 5, 6, 7, 8, 13, 14, 15, 16, 17, 21}
	for _, isa := range isas() {
		if err := Select(isa); err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(12, 1))
		for _, cols := range testCols {
			up, down := neuronRows(rng, cols, 23)
			x := quantized(cases(rng, cols)["random"])
			h := make([]float32, len(list))
			for i := range h {
				h[i] = float32(math.Exp(3 * rng.NormFloat64())) // what is rounded with a neighbour differs
			}
			want := make([]float32, cols)
			neuronsQ4(want, list, h, &up, &down, x, Next{})
			for cut := NeuronsAtOnce; cut < len(list); cut += NeuronsAtOnce {
				got := make([]float32, cols)
				neuronsQ4(got, list[:cut], h[:cut], &up, &down, x, Next{})
				neuronsQ4(got, list[cut:], h[cut:], &up, &down, x, Next{})
				if !slices.EqualFunc(got, want, sameBits) {
					t.Errorf("%s, %d columns: cut at %d, the sums differ", isa, cols, cut)
				}
			}
		}
	}
}

// neuronRows returns so many random rows of up and down matrices, which lie as in a file: up, down, up, down.
func neuronRows(rng *rand.Rand, cols, neurons int) (up, down Matrix) {
	stride := 2*quant.Q4_0.RowBytes(cols) + 64
	up = Matrix{Type: quant.Q4_0, Rows: neurons, Cols: cols, Stride: stride, ScaleOffset: cols, Data: make([]byte, neurons*stride)}
	down = up
	down.Data, down.ScaleOffset = up.Data[cols/2:], cols/2+cols/16
	for j := range neurons {
		for _, w := range []*Matrix{&up, &down} {
			q, s := w.row(j)
			quant.Q4_0.Encode(q, s, cases(rng, cols)["random"])
		}
	}
	return up, down
}

// The neurons that are listed are those whose gate is positive: neither 0, nor -0, nor NaN.
func TestListActive(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 1))
	special := []float32{0, float32(math.Copysign(0, -1)), float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 1e-45, -1e-45}
	forEachISA(t, func(t *testing.T) {
		for _, n := range []int{0, 1, 63, 64, 65, 768, MaxBlock*chunkRows - 1, MaxBlock * chunkRows, MaxBlock*chunkRows + 65} {
			gates := make([]float32, n)
			for i := range gates {
				if gates[i] = float32(rng.NormFloat64()); rng.IntN(4) == 0 {
					gates[i] = special[rng.IntN(len(special))]
				}
			}
			var neurons []int32
			var h []float32
			for i, g := range gates {
				if g > 0 {
					neurons, h = append(neurons, int32(i)), append(h, g*0.3)
				}
			}
			gotNeurons, gotH := make([]int32, n), make([]float32, n)
			k := ListActive(gotNeurons, gotH, gates, 0.3)
			if !slices.Equal(gotNeurons[:k], neurons) || !slices.EqualFunc(gotH[:k], h, sameBits) {
				t.Fatalf("%d gates: %d neurons are listed, want %d", n, k, len(neurons))
			}
		}
	})
}
