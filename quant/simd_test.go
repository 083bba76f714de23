package quant

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// both runs f with the assembly and in plain Go.
func both[T any](t *testing.T, f func() T) (fast, plain T) {
	t.Helper()
	if !hasSIMD {
		t.Skip("this machine has plain Go only")
	}
	defer UseSIMD(true)
	UseSIMD(true)
	fast = f()
	UseSIMD(false)
	return fast, f()
}

// edges are weights that are easily got wrong, in blocks.
func edges() []float32 {
	var x []float32
	for _, b := range blocks() {
		x = append(x, b...)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	special := []float32{0, float32(math.Copysign(0, -1)), 1, -1, 7, -8, 1e-45, -1e-45, 1e-38, 3e38, -3e38, 65504, -524032,
		float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 0.5, -0.5, 6e-8}
	for range 3000 {
		block := make([]float32, BlockSize)
		for i := range block {
			if rng.IntN(4) == 0 {
				block[i] = special[rng.IntN(len(special))]
			} else {
				block[i] = float32(rng.IntN(17) - 8) // ties
			}
		}
		x = append(x, block...)
	}
	return append(x, make([]float32, BlockSize)...)
}

// The assembly gives what plain Go gives, to the bit.
func TestSIMDEqualsPlain(t *testing.T) {
	x := edges()
	importance := make([]float32, len(x))
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range importance {
		importance[i] = float32(math.Exp(3 * rng.NormFloat64()))
	}
	covariance := randomCovariance(rng, 96)
	gptq, err := NewGPTQ(covariance, 96)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		e    Encoder
		rows int // of x, which is cut to 0 modulo this
	}{
		{"round to nearest", Encoder{}, BlockSize},
		{"search", Encoder{Search: true}, BlockSize},
		{"search by importance", Encoder{Search: true, Importance: importance[:160]}, 160},
		{"GPTQ", Encoder{GPTQ: gptq}, 96},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src := x[:len(x)/tt.rows*tt.rows]
			fast, plain := both(t, func() []byte {
				b := make([]byte, Q4_0.RowBytes(len(src)))
				tt.e.Encode(Q4_0, b[:Q4_0.QuantBytes(len(src))], b[Q4_0.QuantBytes(len(src)):], src)
				return b
			})
			for i := range fast {
				if fast[i] != plain[i] {
					t.Fatalf("byte %d of %d is %#x, in plain Go %#x", i, len(fast), fast[i], plain[i])
				}
			}
		})
	}
	t.Run("largest", func(t *testing.T) {
		for n := range 100 {
			if fast, plain := both(t, func() uint32 { return Largest(x[7 : 7+n]) }); fast != plain {
				t.Errorf("of %d weights: %#x, in plain Go %#x", n, fast, plain)
			}
		}
	})
	t.Run("bfloat16", func(t *testing.T) {
		src := make([]byte, 1<<17)
		for i := range 1 << 16 {
			le.PutUint16(src[2*i:], uint16(i))
		}
		for _, n := range []int{0, 1, 31, 32, 33, 100, 1 << 16} {
			fast, plain := both(t, func() []uint32 {
				dst := make([]float32, n)
				BF16.Decode(dst, src, nil)
				bits := make([]uint32, n)
				for i, v := range dst {
					bits[i] = math.Float32bits(v)
				}
				return bits
			})
			if !slices.Equal(fast, plain) {
				t.Errorf("%d numbers differ from plain Go", n)
			}
		}
	})
}

// randomCovariance is the upper triangle of that of inputs which are mixtures of a few.
func randomCovariance(rng *rand.Rand, n int) []float32 {
	const samples = 400
	x := make([][]float64, samples)
	for s := range x {
		x[s] = make([]float64, n)
		common := rng.NormFloat64()
		for i := range x[s] {
			x[s][i] = rng.NormFloat64() + common*float64(i%5)
		}
	}
	var c []float32
	for i := range n {
		for j := i; j < n; j++ {
			var sum float64
			for s := range x {
				sum += x[s][i] * x[s][j]
			}
			c = append(c, float32(sum/samples))
		}
	}
	return c
}
