package kernel

import (
	"math"
	"math/rand/v2"
	"testing"

	"st/quant"
)

// testMatrix encodes random weights in the given layout, and returns them as stored too.
func testMatrix(rng *rand.Rand, t quant.Type, grouped bool, rows, cols int) (*Matrix, [][]float32) {
	m := &Matrix{Type: t, Grouped: grouped, Rows: rows, Cols: cols}
	src := make([]float32, m.Units()*m.UnitRows()*cols)
	for i := range src[:rows*cols] {
		src[i] = float32(rng.NormFloat64())
	}
	m.Stride = m.UnitRows()*t.RowBytes(cols) + 64
	m.ScaleOffset = t.QuantBytes(cols) + 16
	if m.Type.ScaleBytes(cols) == 0 {
		m.ScaleOffset = 0
	}
	m.Data = make([]byte, m.Units()*m.Stride)
	stored := make([][]float32, rows)
	for r := range stored {
		stored[r] = make([]float32, cols)
	}
	for u := range m.Units() {
		unit := m.Data[u*m.Stride:]
		if grouped {
			new(quant.Encoder).EncodeGroup(t, unit[:t.GroupBytes(cols)], src[u*16*cols:][:16*cols], make([]byte, t.GroupBytes(cols)))
			for r := u * 16; r < min(rows, u*16+16); r++ {
				t.DecodeGroupRow(stored[r], unit[:t.GroupBytes(cols)], r%16)
			}
			continue
		}
		q, s := m.row(u)
		t.Encode(q, s, src[u*cols:][:cols])
		t.Decode(stored[u], q, s)
	}
	return m, stored
}

func testInput(rng *rand.Rand, n, cols int) *Input {
	x := NewInput(n, cols)
	for i := range x.F {
		x.F[i] = float32(rng.NormFloat64())
	}
	for i := range n {
		x.Quantize(i)
	}
	return x
}

// used returns the activations that a product uses: rounded to int8 for the block types.
func used(x *Input, i int, t quant.Type) []float32 {
	if t.Block() == 1 {
		return x.Row(i)
	}
	out := make([]float32, x.Cols)
	for j := range out {
		out[j] = float32(x.q[i*x.Cols+j]) * x.d[(i*x.Cols+j)/quant.BlockSize]
	}
	return out
}

func dot64(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func close32(got float32, want float64, cols int) bool {
	return math.Abs(float64(got)-want) <= 1e-5*math.Sqrt(float64(cols))*10
}

// Mul is the product of what is stored with what the activations are rounded to, in every type and layout, for ranges of
// units and for chosen vectors.
func TestMul(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, tt := range []struct {
		typ     quant.Type
		grouped bool
	}{{quant.F32, false}, {quant.F16, false}, {quant.BF16, false}, {quant.Q8_0, false}, {quant.Q4_0, false}, {quant.Q8_0, true}, {quant.Q4_0, true}} {
		for _, shape := range [][2]int{{1, 32}, {16, 64}, {17, 96}, {40, 192}} {
			rows, cols := shape[0], shape[1]
			w, stored := testMatrix(rng, tt.typ, tt.grouped, rows, cols)
			x := testInput(rng, 5, cols)
			idx := []int32{4, 0, 2}
			const untouched = 12345
			dst := make([]float32, len(idx)*rows)
			for i := range dst {
				dst[i] = untouched
			}
			from, to := w.Units()/2, w.Units()
			Mul(dst, rows, w, from, to, x, idx, new(Scratch))
			for i, v := range idx {
				for r := range rows {
					got := dst[i*rows+r]
					if r < from*w.UnitRows() {
						if got != untouched {
							t.Errorf("%s: row %d is outside the range and was written", tt.typ, r)
						}
						continue
					}
					if want := dot64(stored[r], used(x, int(v), tt.typ)); !close32(got, want, cols) {
						t.Errorf("%s grouped %t [%d×%d]: row %d of vector %d is %g, want %g", tt.typ, tt.grouped, rows, cols, r, v, got, want)
					}
				}
			}
		}
	}
}

// testExpert returns a random expert, and its matrices as stored.
func testExpert(rng *rand.Rand, typ quant.Type, neurons, hidden int) (e *Expert, gates, ups, downs [][]float32) {
	e = &Expert{}
	for _, m := range []struct {
		to      *Matrix
		stored  *[][]float32
		grouped bool
	}{{&e.Gate, &gates, typ.Block() > 1}, {&e.Up, &ups, false}, {&e.Down, &downs, false}} {
		w, stored := testMatrix(rng, typ, m.grouped, neurons, hidden)
		*m.to, *m.stored = *w, stored
	}
	return e, gates, ups, downs
}

// Batch is its formula, for any number of tokens, and Neurons with the gates of one token comes to the same. Gate, up and down may be of three types.
func TestReGLU(t *testing.T) {
	mixed := [][3]quant.Type{{quant.Q4_0, quant.Q4_0, quant.Q8_0}, {quant.Q4_0, quant.Q8_0, quant.Q4_0}, {quant.Q8_0, quant.Q4_0, quant.F16}, {quant.F32, quant.F16, quant.Q8_0}}
	for _, typ := range quant.Types() {
		mixed = append(mixed, [3]quant.Type{typ, typ, typ})
	}
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3, 4))
		for _, types := range mixed {
			hiddens := []int{256, 288}
			if types[0] == types[1] && types[1] == types[2] {
				hiddens = []int{64, 96, 160, 256, 288}
			}
			for _, hidden := range hiddens {
				for _, tokens := range []int{1, 2, 3, 6, MaxBlock} {
					testReGLU(t, rng, types, hidden, tokens)
				}
			}
		}
	})
}

func testReGLU(t *testing.T, rng *rand.Rand, types [3]quant.Type, hidden, tokens int) {
	const neurons, batch = 133, MaxBlock + 3
	e, gates, _, _ := testExpert(rng, types[0], neurons, hidden)
	up, ups := testMatrix(rng, types[1], false, neurons, hidden)
	down, downs := testMatrix(rng, types[2], false, neurons, hidden)
	e.Up, e.Down = *up, *down
	x := testInput(rng, batch, hidden)
	var idx []int32
	var weights []float32
	for _, v := range rng.Perm(batch)[:tokens] {
		idx, weights = append(idx, int32(v)), append(weights, rng.Float32())
	}
	y := make([]float32, tokens*hidden)
	y[0] = 5 // what is there must be overwritten
	scratch := new(Scratch)
	active := e.Batch(y, x, idx, append(weights, 1, 2), scratch)

	for i, v := range idx {
		a, b := used(x, int(v), types[0]), used(x, int(v), types[1])
		want := make([]float64, hidden)
		var list []int32
		var h []float32
		for j := range neurons {
			g := dot64(gates[j], a)
			if g <= 0 {
				continue
			}
			list, h = append(list, int32(j)), append(h, float32(g)*weights[i])
			f := g * dot64(ups[j], b) * float64(weights[i])
			for c, d := range downs[j] {
				want[c] += f * float64(d)
			}
		}
		if int(active[i]) != len(list) {
			t.Errorf("%s: %d neurons are active for token %d, want %d", types, active[i], i, len(list))
		}
		one := make([]float32, hidden)
		e.Neurons(one, list[:len(list)/2], h, x, int(v), Next{}, scratch)
		e.Neurons(one, list[len(list)/2:], h[len(list)/2:], x, int(v), Next{}, scratch)
		for c := range want {
			for name, got := range map[string]float32{"Batch": y[i*hidden+c], "Neurons": one[c]} {
				tolerance := 1e-5
				switch {
				case name == "Neurons" && types[1] == quant.Q4_0:
					tolerance = 1e-4 // four neurons at a time have their factors rounded
				case name == "Batch" && e.words():
					tolerance = 2e-4 // those of a chunk
				}
				if math.Abs(float64(got)-want[c]) > tolerance*math.Max(3000, math.Abs(want[c])) {
					t.Fatalf("%s of %d, %d tokens: %s: y[%d, %d] is %g, want %g", types, hidden, tokens, name, i, c, got, want[c])
				}
			}
		}
	}
}

// A vector that is multiplied as if it were alone has the same bits whatever is beside it: one pass may carry tokens of several sequences. Those of
// a batch differ from that by the rounding of float32.
func TestMulEach(t *testing.T) {
	const rows, vectors = 100, 9
	all := make([]int32, vectors)
	for i := range all {
		all[i] = int32(i)
	}
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(7, 8))
		for _, typ := range quant.Types() {
			for _, grouped := range []bool{false, typ.Block() > 1} {
				// Whole eights of blocks and not.
				for _, cols := range []int{32, 160, 256, 416} {
					w, _ := testMatrix(rng, typ, grouped, rows, cols)
					x, scratch := testInput(rng, vectors, cols), new(Scratch)
					want := make([]float32, vectors*rows)
					for i := range all {
						Mul(want[i*rows:], rows, w, 0, w.Units(), x, all[i:i+1], scratch)
					}
					for n := 1; n <= vectors; n++ {
						from := rng.IntN(vectors - n + 1)
						got, batch := make([]float32, n*rows), make([]float32, n*rows)
						MulEach(got, rows, w, 0, w.Units(), x, all[from:from+n], scratch)
						Mul(batch, rows, w, 0, w.Units(), x, all[from:from+n], scratch)
						for i := range got {
							if alone := want[from*rows+i]; !sameBits(got[i], alone) {
								t.Fatalf("%s of %d, %d vectors: product %d is %g, alone %g", typ, cols, n, i, got[i], alone)
							} else if d := math.Abs(float64(batch[i] - alone)); d > 0.01 {
								t.Fatalf("%s of %d, %d vectors: product %d of the batch is %g, alone %g", typ, cols, n, i, batch[i], alone)
							}
						}
					}
				}
			}
		}
	})
}

// A gate that is zero or NaN leaves its neuron out.
func TestInactiveNeurons(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	gate, _ := testMatrix(rng, quant.F32, false, 2, 32)
	up, _ := testMatrix(rng, quant.F32, false, 2, 32)
	clear(gate.Data[:gate.Stride])
	for i := range 4 { // NaN in the second row
		gate.Data[gate.Stride+i] = 0xff
	}
	e := &Expert{Gate: *gate, Up: *up, Down: *up}
	y := make([]float32, 32)
	if n := e.Batch(y, testInput(rng, 1, 32), []int32{0}, []float32{1}, new(Scratch)); n[0] != 0 || y[0] != 0 {
		t.Errorf("%d neurons are active, y is %v", n[0], y[0])
	}
}

func TestQuantize(t *testing.T) {
	x := NewInput(2, 64)
	for i := range x.F {
		x.F[i] = float32(i%64) - 20.5
	}
	clear(x.F[64+32:]) // a block of zeros
	x.Quantize(0)
	x.Quantize(1)
	for i, v := range x.F {
		b := i / quant.BlockSize
		if got := float32(x.q[i]) * x.d[b]; math.Abs(float64(got-v)) > float64(x.d[b])/2*1.001 {
			t.Errorf("activation %d is %g, want %g", i, got, v)
		}
	}
	for b, want := range x.sum {
		var sum int32
		for _, q := range x.q[b*32:][:32] {
			sum += int32(q)
		}
		if sum != want {
			t.Errorf("block %d: sum is %d, want %d", b, want, sum)
		}
	}
}

func TestRMSNormSoftmax(t *testing.T) {
	dst := make([]float32, 4)
	RMSNorm(dst, []float32{1, -2, 3, -4}, []float32{1, 1, 2, 1}, 0.5)
	for i, want := range []float64{1, -2, 6, -4} {
		if want /= math.Sqrt(30./4 + 0.5); math.Abs(float64(dst[i])-want) > 1e-6 {
			t.Errorf("RMSNorm[%d] is %g, want %g", i, dst[i], want)
		}
	}
	x := []float32{1000, 1001, 999}
	Softmax(x)
	for i, want := range []float64{0.24472847, 0.66524096, 0.09003057} {
		if math.Abs(float64(x[i])-want) > 1e-6 {
			t.Errorf("Softmax[%d] is %g, want %g", i, x[i], want)
		}
	}
}
