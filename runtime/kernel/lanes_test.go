package kernel

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"st/quant"
)

// laneTestCols are whole registers of blocks, and such that leave half of the last of 512 bits; up to three, as many as are unpacked at a time, and more.
var laneTestCols = []int{1536, 256, 768, 512, 1280, 1792, 2560, 3072}

// laneTypes are the types of weights that lanes are laid out for.
var laneTypes = []quant.Type{quant.Q4_0, quant.Q8_0}

// rowsOfCases are rows of a matrix as experts have them, of every case. What lies between them is neither zero nor a scale of zero.
func rowsOfCases(rng *rand.Rand, typ quant.Type, rows, cols int) *Matrix {
	all := cases(rng, cols)
	names := []string{"random", "large", "zero", "equal", "alternating", "ties", "small", "denormal"}
	m := &Matrix{Type: typ, Rows: rows, Cols: cols, Stride: 2 * typ.RowBytes(cols), ScaleOffset: typ.QuantBytes(cols) + 6}
	m.Data = slices.Repeat([]byte{0x3c}, rows*m.Stride)
	for r := range rows {
		q, s := m.row(r)
		typ.Encode(q, s, all[names[(r+3)%len(names)]])
	}
	return m
}

func TestPackLane(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 1))
	forEachISA(t, func(t *testing.T) {
		for _, cols := range laneTestCols {
			for _, typ := range laneTypes {
				x, idx := testTokens(rng, 1, cols)
				v := x.vector(int(idx[0]))
				v.sum[0], v.sum[1] = 32*127, -32*127
				got := slices.Repeat([]byte{7}, laneBytes(cols/quant.BlockSize))
				want := slices.Clone(got)
				packLane(got, &v, laneOffset(typ))
				packLaneGeneric(want, &v, laneBlocks(), laneOffset(typ))
				if !slices.Equal(got, want) {
					t.Errorf("%d columns are laid out otherwise for %s", cols, typ)
				}
			}
		}
	})
}

// Products with up rows are their definition, and a vector's does not depend on those beside it. What no mask names stays.
func TestDotsLanes(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 2))
	forEachISA(t, func(t *testing.T) {
		for i, cols := range laneTestCols {
			for _, typ := range laneTypes {
				// One part or several, equal or not; of 1536 columns, which come first, too.
				testDotsLanes(t, rng, typ, cols, []int{MaxBlock, 11, 16, 17}[i%4])
			}
		}
	})
}

func testDotsLanes(t *testing.T, rng *rand.Rand, typ quant.Type, cols, tokens int) {
	up := rowsOfCases(rng, typ, 17, cols)
	x, idx := testTokens(rng, tokens, cols)
	size := laneBytes(cols / quant.BlockSize)
	lanes, scratch := make([]byte, tokens*size), make([]byte, dotsScratch)
	for i, t := range idx {
		v := x.vector(int(t))
		packLane(lanes[i*size:][:size], &v, laneOffset(typ))
	}
	masks := [chunkRows]uint64{0, 1, 1 << 10, math.MaxUint64 >> (MaxBlock - tokens)}
	for r := 4; r < up.Rows; r++ {
		masks[r] = rng.Uint64() & masks[3]
	}
	got := slices.Repeat([]float32{-5}, tokens*chunkRows)
	twin := slices.Clone(got)
	dotsLanes(got, up, &masks, lanes, scratch)
	dotsLanesGeneric(twin, up, &masks, lanes, laneBlocks())
	decoded := make([]float32, cols)
	for r := range chunkRows {
		var q, s []byte
		if r < up.Rows {
			q, s = up.row(r)
			typ.Decode(decoded, q, s)
		}
		for i := range tokens {
			at := i*chunkRows + r
			if masks[r]>>i&1 == 0 {
				if got[at] != -5 || twin[at] != -5 {
					t.Fatalf("%s of %d columns: row %d has a product with vector %d", typ, cols, r, i)
				}
				continue
			}
			v := x.vector(int(idx[i]))
			want := dotQ4Generic(q, s, &v)
			if typ == quant.Q8_0 {
				want = dotQ8Generic(q, s, &v)
			}
			wantClose(t, fmt.Sprintf("%s of %d columns: row %d of vector %d", typ, cols, r, i), got[at], want, magnitude(decoded, &v))
			wantClose(t, fmt.Sprintf("%s of %d columns: the twin's row %d of vector %d", typ, cols, r, i), twin[at], want, magnitude(decoded, &v))
			alone, one := slices.Repeat([]float32{-5}, tokens*chunkRows), [chunkRows]uint64{}
			one[r] = 1 << i
			dotsLanes(alone, up, &one, lanes, scratch)
			if !sameBits(alone[at], got[at]) {
				t.Fatalf("%s of %d columns: row %d of vector %d is %g, alone %g", typ, cols, r, i, got[at], alone[at])
			}
		}
	}
}

// Every sum may be as large as it gets.
func TestLargeDotsLanes(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		const cols = 768
		lanes, scratch := make([]byte, laneBytes(cols/32)), make([]byte, dotsScratch)
		for _, typ := range laneTypes {
			for _, w := range []byte{0x00, 0xff, 0x80, 0x7f} {
				for _, q := range []int8{127, -127} {
					v := vector{slices.Repeat([]int8{q}, cols), slices.Repeat([]float32{1}, cols/32), slices.Repeat([]int32{32 * int32(q)}, cols/32)}
					packLane(lanes, &v, laneOffset(typ))
					quants := slices.Repeat([]byte{w}, typ.QuantBytes(cols))
					up := Matrix{Type: typ, Rows: 1, Cols: cols, Stride: 2 * cols, ScaleOffset: len(quants), Data: append(quants, slices.Repeat([]byte{0x00, 0x3c}, cols/32)...)}
					want := float32((int(w&15) + int(w>>4) - 16) * int(q) * cols / 2)
					if typ == quant.Q8_0 {
						want = float32(int(int8(w)) * int(q) * cols)
					}
					var got [chunkRows]float32
					dotsLanes(got[:], &up, &[chunkRows]uint64{1}, lanes, scratch)
					if got[0] != want {
						t.Errorf("%s row of %#x times %d is %g, want %g", typ, w, q, got[0], want)
					}
				}
			}
		}
	})
}

// Scales may be what they never should be: those of rows and of vectors, in the first blocks, in a middle one and in the last.
func TestDotsLanesOddScales(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 5))
	const cols, tokens = 1280, 5
	forEachISA(t, func(t *testing.T) {
		for _, typ := range laneTypes {
			up := rowsOfCases(rng, typ, 8, cols)
			for r, half := range []uint16{0x0001, 0x8001, 0x03ff, 0x8000, 0x7bff, 0x7c00, 0xfc00, 0x7e01} {
				q, s := up.row(r)
				typ.Encode(q, s, cases(rng, cols)["random"])
				for _, block := range []int{0, 17, cols/quant.BlockSize - 1} {
					le.PutUint16(s[2*block:], half)
				}
			}
			x, idx := testTokens(rng, tokens, cols)
			size := laneBytes(cols / quant.BlockSize)
			lanes, scratch := make([]byte, tokens*size), make([]byte, dotsScratch)
			for i := range idx {
				v := x.vector(int(idx[i]))
				v.d[3*i] = []float32{1e-40, float32(math.Inf(1)), float32(math.NaN()), 0, 3e38}[i]
				packLane(lanes[i*size:][:size], &v, laneOffset(typ))
			}
			var masks [chunkRows]uint64
			for r := range up.Rows {
				masks[r] = 1<<tokens - 1
			}
			got := make([]float32, tokens*chunkRows)
			want := slices.Clone(got)
			dotsLanes(got, up, &masks, lanes, scratch)
			dotsLanesGeneric(want, up, &masks, lanes, laneBlocks())
			for i, w := range want {
				r := i % chunkRows
				if size := math.Abs(float64(w)); !sameBits(got[i], w) && !(math.Abs(float64(got[i])-float64(w)) <= 1e-5*size+1e-3) {
					t.Errorf("%s: row %d of vector %d is %g, want %g", typ, r, i/chunkRows, got[i], w)
				}
			}
		}
	})
}

// Places are a permutation; that of sixteen is its own inverse.
func TestPlace(t *testing.T) {
	for _, n := range []int{8, 16} {
		var seen uint64
		for p := range n {
			if n == 16 && place(place(p, n), n) != p {
				t.Errorf("place %d has %d, which has %d", p, place(p, n), place(place(p, n), n))
			}
			seen |= 1 << place(p, n)
		}
		if bits.OnesCount64(seen) != n {
			t.Errorf("places of %d have %b", n, seen)
		}
	}
}
