package layouts

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// randomGGUF returns rows × cols random weights as gguf blocks.
func randomGGUF(rng *rand.Rand, rows, cols int) []byte {
	w := make([]byte, rows*rowSize(cols))
	for i := range w {
		w[i] = byte(rng.Uint32())
	}
	for at := 0; at < len(w); at += ggufBlock {
		exp := rng.UintN(4) + 8
		if rng.UintN(16) == 0 {
			exp = 0 // subnormal
		}
		w[at+1] = w[at+1]&0x83 | byte(exp<<2)
	}
	return w
}

func randomVector(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

func randomVectors(rng *rand.Rand, n, cols int) [][]float32 {
	x := make([][]float32, n)
	for i := range x {
		x[i] = randomVector(rng, cols)
	}
	return x
}

// near fails the test unless got is want up to the order of additions.
func near(t *testing.T, what string, got, want []float32) {
	t.Helper()
	var scale float64
	for _, f := range want {
		scale = max(scale, math.Abs(float64(f)))
	}
	for i := range want {
		if diff := math.Abs(float64(got[i] - want[i])); !(diff <= 1e-5*scale) {
			t.Fatalf("%s: element %d is %g, want %g (largest %g)", what, i, got[i], want[i], scale)
		}
	}
}

// product multiplies gguf rows by the block-rounded x in plain float64.
func product(w []byte, rows int, x *activations, v int) []float32 {
	y := make([]float32, rows)
	for r := range y {
		var sum float64
		for b := range x.blocks {
			block, at := w[(r*x.blocks+b)*ggufBlock:], b*x.n+v
			d := float64(half(block)) * float64(x.scale[at])
			for i, c := range block[scaleSize:ggufBlock] {
				sum += d * float64(int(c&15)-8) * float64(x.q[at*blockCols+i])
				sum += d * float64(int(c>>4)-8) * float64(x.q[at*blockCols+i+16])
			}
		}
		y[r] = float32(sum)
	}
	return y
}

var implementations = []struct {
	name string
	k    *kernels
}{{"generic", &generic}, {"fast", &fast}}

func TestDense(t *testing.T) {
	const rows, cols = 48, 768
	rng := rand.New(rand.NewPCG(1, 2))
	w := randomGGUF(rng, rows, cols)
	x := quantize(randomVector(rng, cols))
	xs := quantize(randomVectors(rng, batch, cols)...)
	for _, l := range denseLayouts {
		packed := l.pack(w, cols)
		if len(packed) != len(w) {
			t.Fatalf("%s: packed size %d, want %d", l.name, len(packed), len(w))
		}
		for _, im := range implementations {
			y := make([]float32, rows)
			l.dot(im.k, y, packed, x, 0)
			near(t, l.name+" dot "+im.name, y, product(w, rows, x, 0))
			if l.mul == nil {
				continue
			}
			ys := make([]float32, batch*rows)
			l.mul(im.k, ys, packed, xs)
			for v := range batch {
				near(t, l.name+" mul "+im.name, ys[v*rows:(v+1)*rows], product(w, rows, xs, v))
			}
		}
	}
}

// TestPairs reads every byte of tiles16 pairs where the layout says it is, and
// multiplies widths whose last pair is and is not whole.
func TestPairs(t *testing.T) {
	const rows = 2 * tileRows
	rng := rand.New(rand.NewPCG(11, 12))
	for _, blocks := range []int{1, 2, 3, 4, 25, 48} {
		cols := blocks * blockCols
		w := randomGGUF(rng, rows, cols)
		packed := packPairs(w, cols)
		group := len(packed) / (rows / tileRows)
		if want := blocks/2*576 + blocks%2*320; group != want {
			t.Fatalf("%d blocks: a group has %d bytes, want %d", blocks, group, want)
		}
		for r := range rows {
			for b := range blocks {
				pair := packed[r/tileRows*group+b/2*576:]
				scales := 64
				if b == blocks-1 && b%2 == 0 {
					scales = 32
				}
				block := w[(r*blocks+b)*ggufBlock:][:ggufBlock]
				for i, want := range block {
					at := b%2*32 + r%tileRows*2 + i
					if j := i - scaleSize; j >= 0 {
						at = scales + b%2*256 + j/4*64 + r%tileRows*4 + j%4
					}
					if pair[at] != want {
						t.Fatalf("%d blocks: byte %d of block %d of row %d is %#x, want %#x", blocks, i, b, r, pair[at], want)
					}
				}
			}
		}

		x, xs := quantize(randomVector(rng, cols)), quantize(randomVectors(rng, batch, cols)...)
		l := denseLayouts[len(denseLayouts)-1]
		for _, im := range implementations {
			what := fmt.Sprintf("%s %s %d blocks", l.name, im.name, blocks)
			y, ys := make([]float32, rows), make([]float32, batch*rows)
			l.dot(im.k, y, packed, x, pairSize)
			near(t, what, y, product(w, rows, x, 0))
			l.mul(im.k, ys, packed, xs)
			for v := range batch {
				near(t, what+" mul", ys[v*rows:(v+1)*rows], product(w, rows, xs, v))
			}
		}
	}
}

// TestExtremes holds the word sums to their bounds: all nibbles 0 or 15, all
// activations ±127.
func TestExtremes(t *testing.T) {
	const rows, cols = 16, 256
	for _, nibbles := range []byte{0x00, 0xff, 0xf0, 0x0f} {
		w := make([]byte, rows*rowSize(cols))
		for i := range w {
			w[i] = nibbles
			if i%ggufBlock < scaleSize {
				w[i] = 0x2c
			}
		}
		for _, sign := range []float32{1, -1} {
			vectors := make([][]float32, batch)
			for v := range vectors {
				vectors[v] = make([]float32, cols)
				for i := range vectors[v] {
					vectors[v][i] = sign
				}
			}
			x, xs := quantize(vectors[0]), quantize(vectors...)
			want := product(w, rows, x, 0)
			for _, l := range denseLayouts {
				packed := l.pack(w, cols)
				y := make([]float32, rows)
				l.dot(&fast, y, packed, x, 0)
				near(t, l.name+" dot", y, want)
				if l.mul != nil {
					ys := make([]float32, batch*rows)
					l.mul(&fast, ys, packed, xs)
					near(t, l.name+" mul", ys[rows:2*rows], want)
				}
			}
		}
	}
}

func TestSparse(t *testing.T) {
	const neurons, cols = 40, 768
	rng := rand.New(rand.NewPCG(3, 4))
	up, down := randomGGUF(rng, neurons, cols), randomGGUF(rng, neurons, cols)
	x := quantize(randomVector(rng, cols))
	active := []int{0, 3, 4, 11, 12, 13, 38, 39}
	gate := randomVector(rng, len(active))

	want := make([]float32, cols)
	dots := product(up, neurons, x, 0)
	for i, j := range active {
		for b := range x.blocks {
			block := down[(j*x.blocks+b)*ggufBlock:]
			for e := range blockCols {
				q := int(block[scaleSize+e%16]>>(e/16*4)&15) - 8
				want[axpyPlace(b, e)] += gate[i] * dots[j] * half(block) * float32(q)
			}
		}
	}
	for _, l := range sparseLayouts {
		e := &expert{neurons: neurons, cols: cols, w: l.pack(up, down, cols)}
		for _, im := range implementations {
			y := make([]float32, cols)
			l.run(im.k, y, e, x, active, gate, 2)
			near(t, l.name+" "+im.name, y, want)
		}
	}
}
