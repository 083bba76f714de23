package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"st/quant"
)

// Attention to float16 keys and values has the bits of attention to the same ones, widened before.
func TestAttendF16(t *testing.T) {
	was := ISA()
	defer Select(was)
	rng := rand.New(rand.NewPCG(21, 1))
	for _, isa := range isas() {
		if err := Select(isa); err != nil {
			t.Fatal(err)
		}
		for _, d := range []int{32, 64, 128, 160, 256} {
			for _, rows := range []int{2, 4, 6, 8, 10, 12, 14} {
				for _, n := range []int{1, 2, 3, 17, 31, 32} {
					t.Run(fmt.Sprintf("%s/%d/%d/%d", isa, d, rows, n), func(t *testing.T) {
						q, floats := cases(rng, rows*d)["random"], cases(rng, PositionTile*d)["random"]
						half := make([]byte, 2*n*d)
						quant.F16.Encode(half, nil, floats[:n*d])
						half = unaligned(half)
						Decode(quant.F16, floats[:n*d], half, nil)

						want, got := make([]float32, rows*PositionTile), make([]float32, rows*PositionTile)
						Scores(want, q, floats, n, d)
						ScoresF16(got, q, half, n, d, half)
						for i := range rows {
							compareAttention(t, isa, rows, d, got[i*PositionTile:][:n], want[i*PositionTile:][:n])
						}

						p := cases(rng, rows*PositionTile)["random"]
						want = cases(rng, rows*d)["random"]
						got = unaligned(slices.Clone(want))
						AddWeighted(want, p, floats, n, d)
						AddWeightedF16(got, p, half, n, d, half)
						compareAttention(t, isa, rows, d, got, want)
					})
				}
			}
		}
	}
}

// compareAttention compares bits where there is a kernel, and otherwise, where the sums of the generic one are in another order, numbers.
func compareAttention(t *testing.T, isa string, rows, d int, got, want []float32) {
	t.Helper()
	for i := range want {
		if AttendsF16(rows, d) || isa == generic {
			if !sameBits(got[i], want[i]) {
				t.Fatalf("number %d is %g, widened before it is %g", i, got[i], want[i])
			}
		} else if math.Abs(float64(got[i]-want[i])) > 1e-4*math.Sqrt(float64(d)) {
			t.Fatalf("number %d is %g, widened before it is %g", i, got[i], want[i])
		}
	}
}
