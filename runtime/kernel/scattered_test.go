package kernel

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"st/quant"
)

// Rows that are picked have the bits that they have in the product of the whole matrix, and others are not written.
func TestScattered(t *testing.T) { forEachISA(t, testScattered) }

func testScattered(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, typ := range []quant.Type{quant.Q4_0, quant.Q8_0} {
		for _, cols := range []int{32, 96, 192, 256, 544, 1536} {
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

// Every instruction set puts the same group together, of rows of any bytes, and writes nothing behind it.
func TestInterleave(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 2))
	for _, typ := range []quant.Type{quant.Q4_0, quant.Q8_0} {
		for _, cols := range []int{32, 224, 256, 288, 512, 800, 2560} {
			size := typ.GroupBytes(cols)
			var rows [quant.GroupRows]*byte
			quants, scales := make([]byte, 0, size), make([]byte, 0, size)
			for i := range rows {
				row := make([]byte, typ.RowBytes(cols))
				for j := range row {
					row[j] = byte(rng.Uint32())
				}
				rows[i] = &row[0]
				quants, scales = append(quants, row[:typ.QuantBytes(cols)]...), append(scales, row[typ.QuantBytes(cols):]...)
			}
			want := slices.Repeat([]byte{0x5a}, size+64)
			typ.PackGroup(want[:size], quants, scales, cols)
			forEachISA(t, func(t *testing.T) {
				got := slices.Repeat([]byte{0x5a}, size+64)
				interleave(got[:size], &rows, &rows, typ, cols)
				if !bytes.Equal(got, want) {
					t.Errorf("%s, %d columns: another group", typ, cols)
				}
			})
		}
	}
}

// What is listed are the places of numbers above the threshold, or NaN, in one of the rows.
func TestListAbove(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 1))
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	special := []float32{0, float32(math.Copysign(0, -1)), nan, -nan, inf, -inf, 0.5, 1e-45}
	const stride = 64*64 + 200
	forEachISA(t, func(t *testing.T) {
		for _, rows := range []int{1, 2, 8} {
			x := make([]float32, rows*stride)
			for i := range x {
				if x[i] = float32(rng.NormFloat64()); rng.IntN(8) == 0 {
					x[i] = special[rng.IntN(len(special))]
				}
			}
			for _, part := range [][2]int{{0, 0}, {0, 1}, {64, 127}, {64, 128}, {128, 193}, {0, 64 * 64}, {0, stride}, {64, stride - 8}, {4096, stride}} {
				for _, threshold := range []float32{0, 0.5, 2, inf, -inf} {
					var want []int32
					for i := part[0]; i < part[1]; i++ {
						above := false
						for r := range rows {
							v := x[r*stride+i]
							above = above || v > threshold || v != v
						}
						if above {
							want = append(want, int32(i))
						}
					}
					got := make([]int32, part[1]-part[0])
					if got = got[:ListAbove(got, x, rows, stride, part[0], part[1], threshold)]; !slices.Equal(got, want) {
						t.Fatalf("%d rows, [%d, %d), threshold %v: %d are listed, want %d", rows, part[0], part[1], threshold, len(got), len(want))
					}
				}
			}
		}
	})
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
