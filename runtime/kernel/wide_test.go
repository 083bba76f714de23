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

// wideTestCols are whole registers of blocks, and ones with half of the last; up to three, as many as are unpacked at a time, and more.
var wideTestCols = []int{1536, 256, 768, 512, 1280, 1792, 2560, 3072}

// wideRows are rows of a matrix as experts have them, of every case.
func wideRows(rng *rand.Rand, rows, cols int) *Matrix {
	all := cases(rng, cols)
	names := []string{"random", "large", "zero", "equal", "alternating", "ties", "small", "denormal"}
	m := &Matrix{Type: quant.Q4_0, Rows: rows, Cols: cols, Stride: 2 * quant.Q4_0.RowBytes(cols), ScaleOffset: quant.Q4_0.QuantBytes(cols) + 6}
	m.Data = make([]byte, rows*m.Stride)
	for r := range rows {
		q, s := m.row(r)
		quant.Q4_0.Encode(q, s, all[names[(r+3)%len(names)]])
	}
	return m
}

func TestPackLane(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 1))
	forEachISA(t, func(t *testing.T) {
		for _, cols := range wideTestCols {
			x, idx := testTokens(rng, 1, cols)
			v := x.vector(int(idx[0]))
			v.sum[0], v.sum[1] = 32*127, -32*127
			got := slices.Repeat([]byte{7}, wideSteps(cols/quant.BlockSize)*laneStep)
			want := slices.Clone(got)
			packLane(got, &v)
			packLaneGeneric(want, &v)
			if !slices.Equal(got, want) {
				t.Errorf("%d columns are laid out otherwise", cols)
			}
		}
	})
}

// Products with up rows are their definition, and a vector's does not depend on those beside it. What no mask names stays.
func TestDotsWide(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 2))
	forEachISA(t, func(t *testing.T) {
		for i, cols := range wideTestCols {
			// One part or several, equal or not; of 1536 columns, which come first, too.
			tokens := []int{MaxBlock, 11, 16, 17}[i%4]
			up := wideRows(rng, 17, cols)
			x, idx := testTokens(rng, tokens, cols)
			steps := wideSteps(cols / quant.BlockSize)
			lanes, scratch := make([]byte, tokens*steps*laneStep), make([]byte, dotsScratch)
			for i, t := range idx {
				v := x.vector(int(t))
				packLane(lanes[i*steps*laneStep:][:steps*laneStep], &v)
			}
			masks := [chunkRows]uint64{0, 1, 1 << 10, math.MaxUint64 >> (MaxBlock - tokens)}
			for r := 4; r < up.Rows; r++ {
				masks[r] = rng.Uint64() & masks[3]
			}
			got := slices.Repeat([]float32{-5}, tokens*chunkRows)
			twin := slices.Clone(got)
			dotsWide(got, up, &masks, lanes, scratch)
			dotsWideGeneric(twin, up, &masks, lanes)
			decoded := make([]float32, cols)
			for r := range chunkRows {
				if r < up.Rows {
					q, s := up.row(r)
					quant.Q4_0.Decode(decoded, q, s)
				}
				for i := range tokens {
					at := i*chunkRows + r
					if masks[r]>>i&1 == 0 {
						if got[at] != -5 || twin[at] != -5 {
							t.Fatalf("%d columns: row %d has a product with vector %d", cols, r, i)
						}
						continue
					}
					q, s := up.row(r)
					v := x.vector(int(idx[i]))
					want := dotQ4Generic(q, s, &v)
					wantClose(t, fmt.Sprintf("%d columns: row %d of vector %d", cols, r, i), got[at], want, magnitude(decoded, &v))
					wantClose(t, fmt.Sprintf("%d columns: the twin's row %d of vector %d", cols, r, i), twin[at], want, magnitude(decoded, &v))
					alone, one := slices.Repeat([]float32{-5}, tokens*chunkRows), [chunkRows]uint64{}
					one[r] = 1 << i
					dotsWide(alone, up, &one, lanes, scratch)
					if !sameBits(alone[at], got[at]) {
						t.Fatalf("%d columns: row %d of vector %d is %g, alone %g", cols, r, i, got[at], alone[at])
					}
				}
			}
		}
		// Every sum as large as it gets.
		const cols = 768
		lanes, scratch := make([]byte, wideSteps(cols/32)*laneStep), make([]byte, dotsScratch)
		for _, w := range []byte{0x00, 0xff, 0x80, 0x7f} {
			for _, q := range []int8{127, -127} {
				packLane(lanes, &vector{slices.Repeat([]int8{q}, cols), slices.Repeat([]float32{1}, cols/32), slices.Repeat([]int32{32 * int32(q)}, cols/32)})
				up := Matrix{Type: quant.Q4_0, Rows: 1, Cols: cols, Stride: cols, ScaleOffset: cols / 2,
					Data: append(slices.Repeat([]byte{w}, cols/2), slices.Repeat([]byte{0x00, 0x3c}, cols/32)...)}
				var got [chunkRows]float32
				dotsWide(got[:], &up, &[chunkRows]uint64{1}, lanes, scratch)
				if want := float32((int(w&15) + int(w>>4) - 16) * int(q) * cols / 2); got[0] != want {
					t.Errorf("row of %#x times %d is %g, want %g", w, q, got[0], want)
				}
			}
		}
	})
}

// Factors, scales, tiles and outputs are their definitions, to the bit but for the rounding of sums.
func TestTileWide(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 3))
	forEachISA(t, func(t *testing.T) {
		for _, cols := range wideTestCols {
			for _, rows := range []int{1, 5, chunkRows} {
				down := wideRows(rng, rows, cols)
				for _, used := range []uint64{1, 1 << (rows - 1), rng.Uint64() | 1, math.MaxUint64} {
					used &= 1<<rows - 1
					scales := slices.Repeat([]float32{-5}, chunkRows*cols/quant.BlockSize)
					wantScales := slices.Clone(scales)
					decodeScales(scales, down, used)
					decodeScalesGeneric(wantScales, down, used)
					if !slices.Equal(scales, wantScales) {
						t.Fatalf("%d columns: scales of rows %b differ", cols, used)
					}
					tile := slices.Repeat([]float32{-5}, chunkRows*wideCols)
					wantTile := slices.Clone(tile)
					for col := 0; col < cols; col += wideCols {
						decodeTileWide(tile, down, col, used, scales)
						decodeTileWideGeneric(wantTile, down, col, used, scales)
						if !slices.Equal(tile, wantTile) {
							t.Fatalf("%d columns: rows %b from %d on differ", cols, used, col)
						}
					}
				}
			}
		}
		tile := cases(rng, chunkRows*wideCols)["random"]
		for _, tokens := range []int{1, 3, MaxBlock} {
			factors, gates, weights := cases(rng, tokens*chunkRows)["random"], cases(rng, tokens*chunkRows)["large"], cases(rng, tokens)["random"]
			wantFactors := slices.Clone(factors)
			scaleDots(factors, gates, weights)
			scaleDotsGeneric(wantFactors, gates, weights)
			if !slices.Equal(factors, wantFactors) {
				t.Errorf("factors of %d tokens differ", tokens)
			}
			for i := range factors {
				factors[i] /= 1e4
			}
			masks := make([]uint64, tokens) // with none, one, some and all of the rows
			for i := range masks {
				masks[i] = []uint64{rng.Uint64(), 0, 1 << 63, math.MaxUint64}[i%4]
			}
			y := cases(rng, tokens*wideCols)["random"]
			want := slices.Clone(y)
			addTileWide(y, masks, factors, tile, make([]byte, tokens*64*2))
			addTileWideGeneric(want, masks, factors, tile)
			for i := range y {
				wantClose(t, fmt.Sprintf("%d tokens, y[%d]", tokens, i), y[i], want[i], 200)
			}
			const hidden = 3 * wideCols
			from := cases(rng, tokens*hidden)["random"]
			got, wantOut := make([]float32, len(from)), make([]float32, len(from))
			outputWide(got, from, tokens, hidden)
			outputWideGeneric(wantOut, from, tokens, hidden)
			if !slices.Equal(got, wantOut) {
				t.Errorf("outputs of %d tokens differ", tokens)
			}
		}
	})
}

// Neurons in registers of 512 bits come to the same as those that every processor computes. Plain Go shows it for the layout, on every machine.
func TestWide(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(17, 4))
		for _, hidden := range []int{256, 512, 1280} {
			for _, tokens := range []int{1, 3, 6, MaxBlock} {
				const neurons = 133
				e, _, _, _ := testExpert(rng, quant.Q4_0, neurons, hidden)
				x, idx := testTokens(rng, tokens, hidden)
				weights := make([]float32, tokens)
				for i := range weights {
					weights[i] = rng.Float32()
				}
				scratch := new(Scratch)
				s := scratch.batch()
				s.beginWide(x, idx, hidden)
				clear(s.active[:tokens])
				for from := 0; from < neurons; from += chunkRows {
					gate, up, down := e.Gate.rows(from, chunkRows), e.Up.rows(from, chunkRows), e.Down.rows(from, chunkRows)
					Mul(s.gates[:], chunkRows, &gate, 0, gate.Units(), x, idx, scratch)
					s.positive(tokens, gate.Rows)
					s.addWide(&up, &down, weights, e.Gate.units(from/16+4, 4))
				}
				got, active := make([]float32, tokens*hidden), slices.Clone(s.active[:tokens])
				outputWide(got, s.y, tokens, hidden)

				was := ISA()
				if err := Select(generic); err != nil {
					t.Fatal(err)
				}
				want := make([]float32, tokens*hidden)
				wantActive := e.Batch(want, x, idx, weights, new(Scratch))
				if err := Select(was); err != nil {
					t.Fatal(err)
				}
				for i, n := range wantActive {
					if d := active[i] - n; d*d > 1 {
						t.Fatalf("%d tokens of %d: token %d has %d active neurons, want %d", tokens, hidden, i, active[i], n)
					}
				}
				// Of every token by itself: they differ much in size.
				for i := range tokens {
					var most float64
					for _, v := range want[i*hidden:][:hidden] {
						most = max(most, math.Abs(float64(v)))
					}
					for c, v := range want[i*hidden:][:hidden] {
						if d := math.Abs(float64(got[i*hidden+c] - v)); d > 1e-5*most {
							t.Fatalf("%d tokens of %d: y[%d, %d] is %g, want %g", tokens, hidden, i, c, got[i*hidden+c], v)
						}
					}
				}
			}
		}
	})
}

// Places are a permutation that is its own inverse.
func TestPlace(t *testing.T) {
	var seen uint64
	for p := range 16 {
		if place(place(p)) != p {
			t.Errorf("place %d has %d, which has %d", p, place(p), place(place(p)))
		}
		seen |= 1 << place(p)
	}
	if bits.OnesCount64(seen) != 16 {
		t.Errorf("places have %b", seen)
	}
}
