//go:build !noasm

package kernel

import (
	"math/rand/v2"
	"testing"

	"st/quant"
)

// A row's product has the same bits whether it is multiplied alone or with three others.
func TestFourRowsBits(t *testing.T) {
	was := ISA()
	defer Select(was)
	rng := rand.New(rand.NewPCG(12, 1))
	for _, isa := range isas()[1:] {
		if err := Select(isa); err != nil {
			t.Fatal(err)
		}
		for _, cols := range []int{256, 512, 1536, 2048} {
			for name, values := range cases(rng, cols) {
				x := quantized(values)
				var rows, ahead [4]*byte
				var want, got [4]float32
				for k := range rows {
					q, s := row(quant.Q4_0, cases(rng, cols)["random"])
					data := append(append(append([]byte(nil), q...), 1, 2, 3), s...)
					rows[k], ahead[k] = &data[0], &data[0]
					want[k] = dotQ4(q, s, x)
				}
				switch scales := cols/2 + 3; isa {
				case avx512:
					dotQ4Rows4AVX512(&got, &rows, scales, &ahead, x)
				case avxVNNI:
					dotQ4Rows4VNNI(&got, &rows, scales, &ahead, x)
				default:
					dotQ4Rows4AVX2(&got, &rows, scales, &ahead, x)
				}
				for k := range got {
					if !sameBits(got[k], want[k]) {
						t.Fatalf("%s, %d columns, %s, row %d: %g, alone it is %g", isa, cols, name, k, got[k], want[k])
					}
				}
			}
		}
	}
}
