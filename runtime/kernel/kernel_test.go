package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"st/quant"
)

func TestGroups(t *testing.T) {
	kernels := map[quant.Type]struct {
		fast, twin func(*[quant.GroupRows]float32, []byte, *vector)
	}{quant.Q4_0: {groupQ4, groupQ4Generic}, quant.Q8_0: {groupQ8, groupQ8Generic}}
	forEachCase(t, quant.GroupRows, func(t *testing.T, cols int, w, x []float32) {
		for typ, k := range kernels {
			g, v := group(typ, w), quantized(x)
			var got, want [quant.GroupRows]float32
			got[3] = 1 // what is there must be overwritten
			k.fast(&got, g, v)
			k.twin(&want, g, v)
			decoded := make([]float32, cols)
			for r := range want {
				typ.DecodeGroupRow(decoded, g, r)
				wantClose(t, fmt.Sprintf("%s row %d", typ, r), got[r], want[r], magnitude(decoded, v))
			}
			// Two groups, each as by itself, to the bit.
			other := group(typ, append(slices.Clone(w[5:]), w[:5]...))
			var both [2][quant.GroupRows]float32
			group2(typ, &both, g, other, v)
			for i, g := range [][]byte{g, other} {
				if k.fast(&got, g, v); !slices.EqualFunc(both[i][:], got[:], sameBits) {
					t.Errorf("%s: group %d of two gives %v, alone %v", typ, i, both[i], got)
				}
			}
			if hasEights() {
				wantEights(t, typ, g, x)
			}
			if typ != quant.Q4_0 {
				continue
			}
			// Two and four vectors, which differ, each as by itself, to the bit.
			four := [4]vector{*v}
			for i := 1; i < 4; i++ {
				four[i] = *quantized(append(slices.Clone(x[7*i:]), x[:7*i]...))
			}
			pair := [2][quant.GroupRows]float32{1: {3: 1}}
			groupQ4Pair(&pair, g, &[2]vector{four[0], four[1]})
			for i := range pair {
				if k.fast(&got, g, &four[i]); !slices.EqualFunc(pair[i][:], got[:], sameBits) {
					t.Errorf("vector %d of a pair gives %v, alone %v", i, pair[i], got)
				}
			}
			var sums [4][quant.GroupRows]float32
			groupQ4x4Each(&sums, g, &four)
			for i := range four {
				if k.fast(&got, g, &four[i]); !slices.EqualFunc(sums[i][:], got[:], sameBits) {
					t.Errorf("vector %d among four gives %v, alone %v", i, sums[i], got)
				}
			}
		}
	})
}

// wantEights checks a group times eight vectors, rotations of x that differ: each is as by itself, to the bit.
func wantEights(t *testing.T, typ quant.Type, group []byte, x []float32) {
	t.Helper()
	in := NewInput(8, len(x))
	for i := range 8 {
		copy(in.Row(i), append(slices.Clone(x[3*i:]), x[:3*i]...))
		in.Quantize(i)
	}
	packed := make([]uint64, len(x)/quant.BlockSize*eightWords)
	packEight(packed, in, []int32{0, 1, 2, 3, 4, 5, 6, 7})
	var got, twin [8][quant.GroupRows]float32
	got[7][3] = 1 // what is there must be overwritten
	groupEight(typ, &got, group, unaligned(packed))
	groupEightGeneric(typ, &twin, group, packed)
	for i := range got {
		var alone, plain [quant.GroupRows]float32
		v := in.vector(i)
		groupOne(typ, &alone, group, &v)
		if !slices.EqualFunc(got[i][:], alone[:], sameBits) {
			t.Errorf("%s: vector %d among eight gives %v, alone %v", typ, i, got[i], alone)
		}
		if typ == quant.Q4_0 {
			groupQ4Generic(&plain, group, &v)
		} else {
			groupQ8Generic(&plain, group, &v)
		}
		if !slices.EqualFunc(twin[i][:], plain[:], sameBits) {
			t.Errorf("%s: the twin of vector %d among eight gives %v, alone %v", typ, i, twin[i], plain)
		}
	}
}

func TestRows(t *testing.T) {
	kernels := map[quant.Type]struct {
		dot, dotTwin   func(quants, scales []byte, x *vector) float32
		axpy, axpyTwin func(y []float32, f float32, quants, scales []byte)
	}{
		quant.Q4_0: {dotQ4, dotQ4Generic, axpyQ4, axpyQ4Generic},
		quant.Q8_0: {dotQ8, dotQ8Generic, axpyQ8, axpyQ8Generic},
	}
	forEachCase(t, 1, func(t *testing.T, cols int, w, x []float32) {
		for typ, k := range kernels {
			q, s := row(typ, w)
			v := quantized(x)
			decoded := make([]float32, cols)
			typ.Decode(decoded, q, s)
			wantClose(t, typ.String()+" dot", k.dot(q, s, v), k.dotTwin(q, s, v), magnitude(decoded, v))

			got, want := unaligned(x), slices.Clone(x)
			k.axpy(got, -0.3, q, s)
			k.axpyTwin(want, -0.3, q, s)
			for i := range want {
				wantClose(t, fmt.Sprintf("%s axpy [%d]", typ, i), got[i], want[i],
					float32(math.Abs(float64(x[i]))+math.Abs(float64(decoded[i]))))
			}
			fast := make([]float32, cols)
			Decode(typ, fast, q, s)
			if !slices.Equal(fast, decoded) {
				t.Errorf("%s: decoded row differs", typ)
			}
		}
	})
}

// TestExtremeQuants has every sum of products as large as it gets, of either sign: none may saturate.
func TestExtremeQuants(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		const cols = 288
		for _, w := range []byte{0x00, 0xff, 0x80, 0x7f} {
			for _, x := range []int8{127, -127} {
				v := &vector{slices.Repeat([]int8{x}, cols), slices.Repeat([]float32{1}, cols/32), slices.Repeat([]int32{32 * int32(x)}, cols/32)}
				ones := slices.Repeat([]byte{0x00, 0x3c}, cols/32)
				for _, k := range []struct {
					typ        quant.Type
					fast, twin func(quants, scales []byte, x *vector) float32
				}{{quant.Q4_0, dotQ4, dotQ4Generic}, {quant.Q8_0, dotQ8, dotQ8Generic}} {
					q := slices.Repeat([]byte{w}, k.typ.QuantBytes(cols))
					if got, want := k.fast(q, ones, v), k.twin(q, ones, v); got != want {
						t.Errorf("%s row of %#x times %d = %g, want %g", k.typ, w, x, got, want)
					}
				}
				for _, k := range []struct {
					typ        quant.Type
					fast, twin func(*[quant.GroupRows]float32, []byte, *vector)
				}{{quant.Q4_0, groupQ4, groupQ4Generic}, {quant.Q8_0, groupQ8, groupQ8Generic}} {
					g := slices.Repeat([]byte{w}, k.typ.GroupBytes(cols))
					for b := range cols / 32 {
						scales, _ := k.typ.GroupBlock(g, b, cols/32)
						copy(scales, slices.Repeat([]byte{0x00, 0x3c}, quant.GroupRows))
					}
					var got, want [quant.GroupRows]float32
					k.fast(&got, g, v)
					k.twin(&want, g, v)
					if got != want {
						t.Errorf("%s group of %#x times %d = %g, want %g", k.typ, w, x, got, want)
					}
					in := &Input{N: 1, Cols: cols, q: v.q, d: v.d, sum: v.sum}
					packed := make([]uint64, cols/quant.BlockSize*eightWords)
					packEight(packed, in, []int32{0})
					var eight [8][quant.GroupRows]float32
					groupEight(k.typ, &eight, g, packed)
					for i := range eight {
						if eight[i] != want {
							t.Errorf("%s group of %#x times %d, vector %d of eight, = %g, want %g", k.typ, w, x, i, eight[i], want)
						}
					}
				}
			}
		}
	})
}

func TestQuantizeTwin(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3, 4))
		inf, nan := float32(math.Inf(1)), float32(math.NaN())
		for _, cols := range testCols {
			all := cases(rng, cols)
			all["inf"] = append([]float32{inf, -inf}, all["random"][2:]...)
			all["nan"] = append([]float32{1, nan, inf}, all["random"][3:]...)
			bits := make([]float32, cols)
			for i := range bits {
				bits[i] = math.Float32frombits(rng.Uint32())
			}
			all["bits"] = bits
			for name, x := range all {
				x, nb := unaligned(x), cols/quant.BlockSize
				got := vector{make([]int8, cols), make([]float32, nb), make([]int32, nb)}
				want := vector{make([]int8, cols), make([]float32, nb), make([]int32, nb)}
				quantize(got.q, got.d, got.sum, x)
				quantizeGeneric(want.q, want.d, want.sum, x)
				same := func(a, b float32) bool { return a == b || a != a && b != b }
				if !slices.Equal(got.q, want.q) || !slices.EqualFunc(got.d, want.d, same) || !slices.Equal(got.sum, want.sum) {
					t.Errorf("%d %s:\n%v\nwant\n%v", cols, name, got, want)
				}
			}
		}
	})
}

func TestFloats(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(5, 6))
		for _, n := range []int{0, 1, 7, 8, 9, 31, 32, 33, 39, 40, 127, 128, 1536} {
			for name, x := range cases(rng, n) {
				a, b := unaligned(x), unaligned(cases(rng, n)["random"])
				var sum float32
				for i := range a {
					sum += float32(math.Abs(float64(a[i] * b[i])))
				}
				wantClose(t, fmt.Sprintf("%s dot of %d", name, n), dot(a, b), dotGeneric(a, b), sum)
				got, want := unaligned(b), slices.Clone(b)
				axpy(got, 0.7, a)
				axpyGeneric(want, 0.7, a)
				for i := range want {
					wantClose(t, fmt.Sprintf("%s axpy of %d [%d]", name, n, i), got[i], want[i], float32(math.Abs(float64(a[i]))+math.Abs(float64(b[i]))))
				}
				src := [4][]float32{a, b, unaligned(cases(rng, n)["random"]), a}
				f := [4]float32{0.5, -2, 0.1, 3}
				copy(got, x)
				copy(want, x)
				axpy4(got, &f, &src)
				axpy4Generic(want, &f, &src)
				for i := range want {
					wantClose(t, fmt.Sprintf("%s axpy4 of %d [%d]", name, n, i), got[i], want[i], float32(8*math.Abs(float64(a[i]))+8))
				}
				full := make([]byte, 4*n)
				quant.F32.Encode(full, nil, x)
				if Decode(quant.F32, got, unaligned(full), nil); !slices.Equal(got, x) {
					t.Errorf("%s: %d float32 numbers differ", name, n)
				}
				half := make([]byte, 2*n)
				quant.F16.Encode(half, nil, x)
				half = unaligned(half)
				Decode(quant.F16, got, half, nil)
				quant.F16.Decode(want, half, nil)
				if !slices.Equal(got, want) {
					t.Errorf("%s: %d float16 numbers differ", name, n)
				}
			}
		}
	})
}

func TestSelect(t *testing.T) {
	was := ISA()
	defer Select(was)
	for _, name := range isas() {
		if err := Select(name); err != nil || ISA() != name {
			t.Errorf("Select(%q): %v, ISA %q", name, err, ISA())
		}
	}
	if err := Select("mmx"); err == nil || ISA() == "mmx" {
		t.Errorf("an unknown instruction set was selected")
	}
	if err := Select(""); err != nil || ISA() != isas()[len(isas())-1] {
		t.Errorf("Select of nothing chose %q (%v), not the best", ISA(), err)
	}
}

// ST_ISA chooses at the start of a program; a name that is wrong is remembered, and the best instruction set used.
func TestStart(t *testing.T) {
	was, best := ISA(), isas()[len(isas())-1]
	defer Select(was)
	for _, tt := range []struct {
		env, want string
		fails     bool
	}{{"", best, false}, {generic, generic, false}, {best, best, false}, {"mmx", best, true}} {
		if err := start(tt.env); (err != nil) != tt.fails || ISA() != tt.want {
			t.Errorf("ST_ISA=%s: %q is used (%v), want %q", tt.env, ISA(), err, tt.want)
		}
	}
}

// One row of Q4_0 with four vectors that differ: each as by itself.
func TestRowFourVectors(t *testing.T) {
	forEachCase(t, 1, func(t *testing.T, cols int, w, x []float32) {
		q, s := row(quant.Q4_0, w)
		decoded := make([]float32, cols)
		quant.Q4_0.Decode(decoded, q, s)
		var four [4]vector
		for i := range four {
			four[i] = *quantized(append(slices.Clone(x[7*i:]), x[:7*i]...))
		}
		var got, want [4]float32
		dotQ4x4(&got, q, s, &four)
		dotQ4x4Generic(&want, q, s, &four)
		for i := range want {
			wantClose(t, fmt.Sprintf("vector %d", i), got[i], want[i], magnitude(decoded, &four[i]))
		}
	})
}

// Neurons of a list, from rows with a gap between them, each added to the output.
func TestNeurons(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 1))
	forEachISA(t, func(t *testing.T) {
		for _, cols := range testCols {
			const neurons = 9
			stride := 2*quant.Q4_0.RowBytes(cols) + 64
			m := Matrix{Type: quant.Q4_0, Rows: neurons, Cols: cols, Stride: stride, ScaleOffset: cols, Data: make([]byte, neurons*stride)}
			up, down := m, m
			down.Data, down.ScaleOffset = m.Data[cols/2:], cols/2+cols/16
			for j := range neurons {
				for _, w := range []*Matrix{&up, &down} {
					q, s := w.row(j)
					quant.Q4_0.Encode(q, s, cases(rng, cols)["random"])
				}
			}
			x := quantized(cases(rng, cols)["random"])
			for _, list := range [][]int32{nil, {0}, {8}, {1, 2}, {0, 3, 4, 7, 8}, {0, 1, 2, 3, 4, 5, 6, 7, 8}} {
				h := make([]float32, len(list))
				for i := range h {
					h[i] = rng.Float32()
				}
				got := unaligned(cases(rng, cols)["random"])
				want := slices.Clone(got)
				neuronsQ4(got, list, h, &up, &down, x, Next{})
				neuronsQ4Generic(want, list, h, &up, &down, x)
				for i := range want {
					if math.Abs(float64(got[i]-want[i])) > 2e-4*float64(cols) {
						t.Fatalf("%d columns, neurons %v: y[%d] is %g, want %g", cols, list, i, got[i], want[i])
					}
				}
			}
		}
	})
}

// Columns of down rows are decoded to the bit, and added as one after the other.
func TestTile(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 1))
	forEachISA(t, func(t *testing.T) {
		const rows, stride = 11, 200
		data := make([]byte, rows*stride)
		quants, scales := data, data[100:]
		for r := range rows {
			for i := range tileCols / 2 {
				quants[r*stride+i] = byte(rng.Uint32())
			}
			quant.F16.Encode(scales[r*stride:][:tileCols/16], nil, []float32{rng.Float32(), -6e-8})
		}
		list := []int32{0, 10, 3, 3, 7}
		tile, want := make([]float32, len(list)*tileCols), make([]float32, len(list)*tileCols)
		decodeRowsQ4(tile, quants, scales, stride, list)
		decodeRowsQ4Generic(want, quants, scales, stride, list)
		if !slices.Equal(tile, want) {
			t.Errorf("decoded rows differ")
		}
		// Tokens with none, one, some and all of the rows.
		for _, tokens := range []int{1, 4, MaxBlock} {
			b := &batch{}
			copy(b.tile[:], tile)
			for i := range b.factors {
				b.factors[i] = factor{int32(rng.IntN(len(list)) * tileCols), rng.Float32()}
			}
			for t := range tokens {
				b.start[t] = int32(t * 7)
				b.end[t] = b.start[t] + []int32{0, 1, 5, chunkRows}[t%4]
			}
			y := cases(rng, tokens*tileCols)["random"]
			wantY := slices.Clone(y)
			addTile(y, tileCols, tokens, true, b)
			addTileGeneric(wantY, tileCols, tokens, b)
			for i := range y {
				wantClose(t, fmt.Sprintf("%d tokens, y[%d]", tokens, i), y[i], wantY[i], 100)
			}
		}
	})
}
