package kernel

import (
	"math/rand/v2"
	"testing"

	"st/quant"
)

// Products of F32, F16 and BF16 rows have the bits of dot whatever computes them: for one vector, and for several, which rows of some lengths are multiplied
// with by threes or fours, floatCols columns at a time.
func TestMulFloats(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(17, 18))
		for _, typ := range []quant.Type{quant.F32, quant.F16, quant.BF16} {
			for _, cols := range []int{1, 7, 8, 24, 31, 32, 33, 40, 64, 480, floatCols - 32, floatCols, floatCols + 32, 1025, 2 * floatCols} {
				const rows = 8
				data := make([]byte, rows*typ.QuantBytes(cols)+1)[1:] // unaligned
				w := Matrix{Type: typ, Rows: rows, Cols: cols, Stride: typ.QuantBytes(cols), Data: data}
				for r := range rows {
					typ.Encode(data[r*w.Stride:][:w.Stride], nil, cases(rng, cols)["random"])
				}
				for _, n := range []int{1, 2, 3, 64, 67} {
					x, idx := NewInput(n, cols), make([]int32, n)
					for i := range idx {
						idx[i] = int32(n - 1 - i)
						copy(x.Row(i), cases(rng, cols)["random"])
					}
					got, row := make([]float32, n*rows), make([]float32, cols)
					var scratch Scratch
					Mul(got, rows, &w, 0, rows, x, idx, &scratch)
					for r := range rows {
						typ.Decode(row, data[r*w.Stride:][:w.Stride], nil)
						for i, v := range idx {
							if want := dot(row, x.Row(int(v))); !sameBits(got[i*rows+r], want) {
								t.Fatalf("%s: row %d of %d columns times vector %d of %d is %g, want %g", typ, r, cols, i, n, got[i*rows+r], want)
							}
						}
					}
				}
			}
		}
	})
}

// A row of up or down that is read as it lies has the bits of one that is decoded first.
func TestHalfRows(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(19, 20))
		for _, typ := range []quant.Type{quant.F16, quant.BF16} {
			if !hasHalf(typ) {
				continue
			}
			for _, n := range []int{0, 1, 7, 8, 9, 31, 32, 33, 39, 40, 127, 128, 1536} {
				for name, values := range cases(rng, n) {
					row := make([]byte, typ.QuantBytes(n)+1)[1:]
					typ.Encode(row, nil, values)
					decoded := make([]float32, n)
					typ.Decode(decoded, row, nil)
					x := unaligned(cases(rng, n)["random"])
					for _, matrix := range []bool{true, false} {
						if got, want := dotHalf(typ, row, x, matrix), dot(decoded, x); !sameBits(got, want) {
							t.Errorf("%s %s: product of %d is %g, want %g", typ, name, n, got, want)
						}
					}
					got, want := unaligned(x), unaligned(x)
					axpyHalf(typ, got, 0.7, row)
					axpy(want, 0.7, decoded)
					for i := range want {
						if !sameBits(got[i], want[i]) {
							t.Fatalf("%s %s: sum %d of %d is %g, want %g", typ, name, i, n, got[i], want[i])
						}
					}
				}
			}
		}
	})
}
