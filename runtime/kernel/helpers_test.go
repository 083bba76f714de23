package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"st/quant"
)

// testCols are lengths with and without blocks left over after pairs and after eights.
var testCols = []int{32, 64, 96, 160, 256, 288, 480, 768, 1536}

// forEachISA runs f as a subtest with every instruction set that this CPU has.
func forEachISA(t *testing.T, f func(t *testing.T)) {
	was := ISA()
	defer Select(was)
	for _, name := range isas() {
		if err := Select(name); err != nil {
			t.Fatal(err)
		}
		t.Run(name, f)
	}
}

// cases are vectors of n numbers: random ones and edges.
func cases(rng *rand.Rand, n int) map[string][]float32 {
	random := func(scale float64) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64() * scale)
		}
		return x
	}
	alternating := make([]float32, n)
	ties := make([]float32, n)
	for i := range alternating {
		alternating[i] = float32(1 - 2*(i%2))
		ties[i] = float32(i%255-127) / 2
	}
	for i := 0; i < n; i += quant.BlockSize {
		ties[i] = 127
	}
	return map[string][]float32{
		"random": random(1), "large": random(1e4), "small": random(1e-6), "denormal": random(1e-40),
		"zero": make([]float32, n), "equal": slices.Repeat([]float32{-3}, n), "alternating": alternating, "ties": ties,
	}
}

// unaligned returns a copy of s that begins off the alignment that allocations have.
func unaligned[T any](s []T) []T {
	return append(make([]T, 1, len(s)+1), s...)[1 : len(s)+1 : len(s)+1]
}

// row encodes a row in memory that is no longer than it.
func row(typ quant.Type, w []float32) (quants, scales []byte) {
	quants, scales = make([]byte, typ.QuantBytes(len(w))), make([]byte, typ.ScaleBytes(len(w)))
	typ.Encode(quants, scales, w)
	return unaligned(quants), unaligned(scales)
}

func group(typ quant.Type, w []float32) []byte {
	g := make([]byte, typ.GroupBytes(len(w)/quant.GroupRows))
	new(quant.Encoder).EncodeGroup(typ, g, w, make([]byte, len(g)))
	return unaligned(g)
}

func quantized(x []float32) *vector {
	nb := len(x) / quant.BlockSize
	v := &vector{make([]int8, len(x)), make([]float32, nb), make([]int32, nb)}
	quantizeGeneric(v.q, v.d, v.sum, x)
	return &vector{unaligned(v.q), unaligned(v.d), unaligned(v.sum)}
}

// wantClose checks a sum whose terms have the magnitude given.
func wantClose(t *testing.T, what string, got, want, magnitude float32) {
	t.Helper()
	if d := math.Abs(float64(got) - float64(want)); !(d <= 4e-6*float64(magnitude)+1e-37) {
		t.Errorf("%s = %g, want %g (terms of %g)", what, got, want, magnitude)
	}
}

// sameBits reports whether two numbers are the same to the bit, or both none.
func sameBits(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}

// magnitude is the sum of |w·x|.
func magnitude(w []float32, x *vector) (sum float32) {
	for i := range w {
		sum += float32(math.Abs(float64(w[i] * float32(x.q[i]) * x.d[i/quant.BlockSize])))
	}
	return sum
}

// forEachCase runs f for every length and pair of cases of weights and activations, n rows of weights.
func forEachCase(t *testing.T, n int, f func(t *testing.T, cols int, w, x []float32)) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		for _, cols := range testCols {
			for wn, w := range cases(rng, n*cols) {
				for xn, x := range cases(rng, cols) {
					t.Run(fmt.Sprintf("%d/%s/%s", cols, wn, xn), func(t *testing.T) { f(t, cols, w, x) })
				}
			}
		}
	})
}
