package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"st/quant"
)

// Factors, scales, tiles and outputs are their definitions, to the bit but for the rounding of sums.
func TestTileWide(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 3))
	forEachISA(t, func(t *testing.T) {
		for _, cols := range laneTestCols {
			for _, rows := range []int{1, 5, chunkRows} {
				for _, typ := range laneTypes {
					testDecodeWide(t, rng, rowsOfCases(rng, typ, rows, cols))
				}
			}
		}
		tile := cases(rng, chunkRows*wideCols)["random"]
		for _, tokens := range []int{1, 3, MaxBlock} {
			factors, gates, weights := cases(rng, tokens*chunkRows)["random"], cases(rng, tokens*chunkRows)["large"], cases(rng, tokens)["random"]
			wantFactors := slices.Clone(factors)
			scaleDots(factors, gates, weights)
			scaleDotsGeneric(wantFactors, gates, weights)
			if !slices.EqualFunc(factors, wantFactors, sameBits) {
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
			if !slices.EqualFunc(got, wantOut, sameBits) {
				t.Errorf("outputs of %d tokens differ", tokens)
			}
		}
	})
}

func testDecodeWide(t *testing.T, rng *rand.Rand, down *Matrix) {
	rows, cols := down.Rows, down.Cols
	for _, used := range []uint64{1, 1 << (rows - 1), rng.Uint64() | 1, math.MaxUint64} {
		used &= 1<<rows - 1
		scales := slices.Repeat([]float32{-5}, chunkRows*cols/quant.BlockSize)
		wantScales := slices.Clone(scales)
		decodeScales(scales, down, used)
		decodeScalesGeneric(wantScales, down, used)
		if !slices.EqualFunc(scales, wantScales, sameBits) {
			t.Fatalf("%s of %d columns: scales of rows %b differ", down.Type, cols, used)
		}
		tile := slices.Repeat([]float32{-5}, chunkRows*wideCols)
		wantTile := slices.Clone(tile)
		for col := 0; col < cols; col += wideCols {
			decodeTileWide(tile, down, col, used, scales)
			decodeTileWideGeneric(wantTile, down, col, used, scales)
			if !slices.EqualFunc(tile, wantTile, sameBits) {
				t.Fatalf("%s of %d columns: rows %b from %d on differ", down.Type, cols, used, col)
			}
		}
	}
}

// Neurons in registers of 512 bits come to the same as those that every processor computes. Plain Go shows it for the layout, on every machine.
func TestWide(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(17, 4))
		for _, hidden := range []int{256, 512, 1280} {
			for _, tokens := range []int{1, 3, 6, MaxBlock} {
				for _, typ := range laneTypes {
					testWide(t, rng, typ, hidden, tokens)
				}
			}
		}
	})
}

func testWide(t *testing.T, rng *rand.Rand, typ quant.Type, hidden, tokens int) {
	const neurons = 133
	e, _, _, _ := testExpert(rng, typ, neurons, hidden)
	x, idx := testTokens(rng, tokens, hidden)
	weights := make([]float32, tokens)
	for i := range weights {
		weights[i] = rng.Float32()
	}
	scratch := new(Scratch)
	s := scratch.batch()
	s.lanes.pack(typ, x, idx)
	s.beginWide(tokens, hidden)
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
			t.Fatalf("%s, %d tokens of %d: token %d has %d active neurons, want %d", typ, tokens, hidden, i, active[i], n)
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
				t.Fatalf("%s, %d tokens of %d: y[%d, %d] is %g, want %g", typ, tokens, hidden, i, c, got[i*hidden+c], v)
			}
		}
	}
}
