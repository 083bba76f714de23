package kernel

import (
	"math"
	"math/rand/v2"
	"testing"

	"st/quant"
)

// Rows that are picked have the bits that they have in the product of the whole matrix, and others are not written.
func TestScattered(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, typ := range []quant.Type{quant.Q4_0, quant.Q8_0} {
		for _, cols := range []int{32, 96, 192, 1536} {
			const rows = 203
			w := randomGroups(rng, typ, rows, cols)
			s := NewScattered(&w, make([]byte, ScatteredBytes(&w)))
			s.Fill(0, w.Units())
			x := NewInput(9, cols)
			for i := range 9 {
				for j := range x.Row(i) {
					x.Row(i)[j] = float32(rng.NormFloat64())
				}
				x.Quantize(i)
			}
			var scratch Scratch
			for _, idx := range [][]int32{{3}, {0, 8}, {0, 1, 2, 3, 4, 5, 6, 7}} {
				want := make([]float32, len(idx)*rows+quant.GroupRows)
				for i := range idx { // each alone
					MulEach(want[i*rows:], rows, &w, 0, w.Units(), x, idx[i:i+1], &scratch)
				}
				for _, share := range []float64{0.02, 0.3, 1} {
					var picked []int32
					for r := range rows {
						if rng.Float64() < share {
							picked = append(picked, int32(r))
						}
					}
					got := make([]float32, len(idx)*rows)
					for i := range got {
						got[i] = -7
					}
					s.Mul(got, rows, picked, x, idx, &scratch)
					for i := range idx {
						for r, next := 0, 0; r < rows; r++ {
							expect := float32(-7)
							if next < len(picked) && picked[next] == int32(r) {
								expect, next = want[i*rows+r], next+1
							}
							if math.Float32bits(got[i*rows+r]) != math.Float32bits(expect) {
								t.Fatalf("%s, %d columns, %d vectors: row %d of vector %d is %v, want %v", typ, cols, len(idx), r, i, got[i*rows+r], expect)
							}
						}
					}
				}
			}
		}
	}
}

// randomGroups returns a matrix of random weights in groups.
func randomGroups(rng *rand.Rand, typ quant.Type, rows, cols int) Matrix {
	size := typ.GroupBytes(cols)
	w := Matrix{Type: typ, Grouped: true, Rows: rows, Cols: cols, Stride: size}
	w.Data = make([]byte, w.Units()*size)
	values := make([]float32, quant.GroupRows*cols)
	var e quant.Encoder
	for u := range w.Units() {
		for i := range values {
			values[i] = float32(rng.NormFloat64())
		}
		e.EncodeGroup(typ, w.Data[u*size:][:size], values, make([]byte, 4*len(values)))
	}
	return w
}
