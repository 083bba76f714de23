package kernel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"st/quant"
)

// testTokens is an input of n random vectors, of which some are chosen out of order.
func testTokens(rng *rand.Rand, n, cols int) (x *Input, idx []int32) {
	x = NewInput(2*n, cols)
	all := cases(rng, cols)
	names := []string{"random", "large", "zero", "equal", "alternating", "ties"}
	for i := range x.N {
		copy(x.Row(i), all[names[i%len(names)]])
		x.Row(i)[i%cols] = float32(rng.NormFloat64())
		x.Quantize(i)
	}
	for _, i := range rng.Perm(x.N)[:n] {
		idx = append(idx, int32(i))
	}
	return x, idx
}

type mulFunc func(dst []float32, stride int, w *Matrix, from, to int, x *Input, idx []int32, scratch *Scratch)

// Products with packed vectors are those of the kernels for four, or for one where each is alone, to the bit. Two or three that are left are filled up to
// four, and one is multiplied by itself; where they are too few to be packed, so are two.
func TestPacked(t *testing.T) {
	rng := rand.New(rand.NewPCG(16, 1))
	forEachISA(t, func(t *testing.T) {
		for _, cols := range testCols {
			for _, n := range []int{2, 3, 6, 7, 8, 9, 10, 11, 34, 38, packTile, packTile + 2, 2*packTile + 9} {
				const rows = 2*quant.GroupRows - 3
				x, idx := testTokens(rng, n, cols)
				eight, _ := testMatrix(rng, quant.Q8_0, true, rows, cols)
				for _, mul := range []mulFunc{Mul, MulEach} {
					got := slices.Repeat([]float32{-1}, n*(rows+1))
					want := slices.Clone(got)
					mul(got, rows+1, eight, 0, eight.Units(), x, idx, new(Scratch))
					for u := range eight.Units() {
						mulOnes(want, rows+1, eight, u, x, idx, 0)
					}
					if !slices.Equal(got, want) {
						t.Errorf("%d vectors of %d, Q8_0: products differ", n, cols)
					}
				}
				w, _ := testMatrix(rng, quant.Q4_0, true, rows, cols)
				for _, alone := range []bool{false, true} {
					got := slices.Repeat([]float32{-1}, n*(rows+1))
					want := slices.Repeat([]float32{-1}, (n+1)*(rows+1))
					filled := idx
					if minPacked() > 0 && n%4 == 2 && n%dotBlock > 2 {
						filled = append(slices.Clip(idx), idx[n-1])
					}
					if alone {
						MulEach(got, rows+1, w, 0, w.Units(), x, idx, new(Scratch))
					} else {
						Mul(got, rows+1, w, 0, w.Units(), x, idx, new(Scratch))
					}
					for u := range w.Units() {
						mulOnes(want, rows+1, w, u, x, filled, mulFours(alone, want, rows+1, w, u, x, filled))
					}
					if !slices.Equal(got, want[:len(got)]) {
						t.Errorf("%d vectors of %d, alone: %v: products differ", n, cols, alone)
					}
				}
			}
		}
	})
}

// The kernel for packed vectors is its definition, also with activations whose sums are the largest, and with weights of -128, which other programs write.
func TestPackedDefinition(t *testing.T) {
	forEachCase(t, quant.GroupRows, func(t *testing.T, cols int, w, x []float32) {
		in := NewInput(4, cols)
		idx := []int32{0, 1, 2, 3}
		for i := range idx {
			copy(in.Row(i), x)
			if i == 3 {
				copy(in.Row(i), slices.Repeat([]float32{-1}, cols))
			}
			in.Quantize(i)
		}
		var p packed
		p.pack(in, idx)
		for _, typ := range []quant.Type{quant.Q4_0, quant.Q8_0} {
			if !packsType(typ) {
				continue
			}
			g := group(typ, w)
			if _, tile := typ.GroupBlock(g, 0, cols/quant.BlockSize); typ == quant.Q8_0 {
				for i := range quant.BlockSize {
					tile[i/4*4*quant.GroupRows+i%4] = 0x80 // row 0
				}
			}
			groupPacked(typ, false, &p, g, cols/quant.BlockSize, nil)
			got := slices.Clone(p.acc)
			groupPackedGeneric(typ, &p, g, cols/quant.BlockSize)
			decoded := make([]float32, cols)
			for i := range got {
				typ.DecodeGroupRow(decoded, g, i%quant.GroupRows)
				v := in.vector(i / quant.GroupRows)
				wantClose(t, fmt.Sprintf("%s product %d", typ, i), got[i], p.acc[i], magnitude(decoded, &v))
			}
		}
	})
}

// Vectors are packed as the definition says, also where the sums are the largest.
func TestPackVector(t *testing.T) {
	rng := rand.New(rand.NewPCG(16, 3))
	forEachISA(t, func(t *testing.T) {
		for _, cols := range testCols {
			x, idx := testTokens(rng, 4, cols)
			got := make([]byte, cols/quant.BlockSize*(quadBytes+7))
			want := make([]byte, len(got))
			for k, i := range idx {
				v := x.vector(int(i))
				v.sum[0] = []int32{0, 5, 32 * 127, -32 * 127}[k]
				packVector(got, quadBytes+7, k, &v)
				packVectorGeneric(want, quadBytes+7, k, &v, packsWords())
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d columns are packed otherwise", cols)
			}
		}
	})
}

// An input that expects to be multiplied with all of its vectors has the same products, of these and of others.
func TestExpect(t *testing.T) {
	rng := rand.New(rand.NewPCG(16, 5))
	forEachISA(t, func(t *testing.T) {
		const rows, cols, most = 40, 160, 2*packTile + 9
		q4, _ := testMatrix(rng, quant.Q4_0, true, rows, cols)
		q8, _ := testMatrix(rng, quant.Q8_0, true, rows, cols)
		x := NewInput(most, cols)
		x.PlacePacked(make([]byte, PackedBytes(most, cols)))
		all := make([]int32, most)
		for i := range all {
			all[i] = int32(i)
		}
		for _, n := range []int{most, 1, 2, 3, 6, 7, 9, packTile, packTile + 1, packTile + 2, packTile + 8, most - 1} {
			x.Expect(n)
			for i := range n {
				copy(x.Row(i), cases(rng, cols)["random"])
				if i%3 == 0 {
					x.Quantize(i)
					continue
				}
				for _, part := range [][2]int{{96, 160}, {0, 32}, {32, 96}} {
					x.QuantizePart(i, part[0], part[1])
				}
			}
			plain := NewInput(n, cols)
			copy(plain.F, x.F)
			for i := range n {
				plain.Quantize(i)
			}
			for _, idx := range [][]int32{all[:n], all[n/2 : n], slices.Concat(all[1:n], all[:1])} {
				for _, mul := range []mulFunc{Mul, MulEach} {
					for _, w := range []*Matrix{q4, q8} {
						got, want := make([]float32, len(idx)*rows), make([]float32, len(idx)*rows)
						mul(got, rows, w, 0, w.Units(), x, idx, new(Scratch))
						mul(want, rows, w, 0, w.Units(), plain, idx, new(Scratch))
						if !slices.Equal(got, want) {
							t.Fatalf("%s: %d vectors, %d of them: products differ", w.Type, n, len(idx))
						}
					}
				}
			}
		}
	})
}
