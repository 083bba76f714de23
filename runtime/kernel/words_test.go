package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"st/quant"
)

// testWords returns words of some tokens whose gates and products with up rows are given: scale stores the scales of down's rows, factors the factors.
func testWords(down *Matrix, gates, dots []float32, tokens int, scale func(scales, tops []float32, w *Matrix),
	factors func(w *words, first, stride int, gates, dots []float32, weight float32, mask uint64) float32) (w *words, shares []share, stride int) {
	blocks := down.Cols / quant.BlockSize
	w = &words{scales: make([]float32, chunkRows*blocks), tops: make([]float32, blocks)}
	scale(w.scales, w.tops, down)
	var masks [MaxBlock]uint64
	positiveGeneric(&masks, gates)
	shares = w.share(masks[:tokens])
	pairs := int(shares[len(shares)-1].first)
	stride = pairs * wordsOfPair
	w.rows, w.factors = make([]int32, 2*pairs), make([]byte, blocks/wordBlocks*stride)
	for i, of := range shares[:len(shares)-1] {
		t := int(of.token)
		w.units[i] = factors(w, int(of.first), stride, gates[t*chunkRows:][:chunkRows], dots[t*chunkRows:][:chunkRows], float32(t)/10+0.3, masks[t])
	}
	return w, shares, stride
}

// Scales, factors, tiles and sums are their definitions, to the bit, with every instruction set.
func TestWords(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 3))
	forEachISA(t, func(t *testing.T) {
		for _, cols := range laneTestCols {
			for _, rows := range []int{1, 5, chunkRows} {
				for _, typ := range laneTypes {
					testWordsOf(t, rng, rowsOfCases(rng, typ, rows, cols), []int{1, 3, MaxBlock}[rng.IntN(3)])
				}
			}
		}
	})
}

func testWordsOf(t *testing.T, rng *rand.Rand, down *Matrix, tokens int) {
	t.Helper()
	fail := func(what string) {
		t.Fatalf("%s, %d rows of %d, %d tokens: %s differ", down.Type, down.Rows, down.Cols, tokens, what)
	}
	gates, dots := cases(rng, tokens*chunkRows)["random"], cases(rng, tokens*chunkRows)["large"]
	for i := range gates {
		switch at := i % chunkRows; {
		case at >= down.Rows, i/chunkRows%4 == 1:
			gates[i] = 0
		case i/chunkRows%4 == 2 && at != down.Rows-1:
			gates[i] = -1
		case i/chunkRows%4 == 3:
			gates[i] = 1 + float32(at)
		}
		if gates[i] <= 0 {
			dots[i] = float32(math.NaN()) // nobody has multiplied it
		}
	}
	wantDots := slices.Clone(dots)
	w, shares, stride := testWords(down, gates, dots, tokens, relativeScales, factorWords)
	want, _, _ := testWords(down, gates, wantDots, tokens, relativeScalesGeneric, factorWordsGeneric)
	if !slices.EqualFunc(w.scales, want.scales, sameBits) || !slices.EqualFunc(w.tops, want.tops, sameBits) {
		fail("scales")
	}
	if !slices.Equal(w.rows, want.rows) {
		fail("pairs")
	}
	if !slices.Equal(w.factors, want.factors) || !slices.Equal(w.units[:], want.units[:]) {
		fail("factors")
	}
	used := uint64(1)<<down.Rows - 1
	if down.Rows == chunkRows {
		used = math.MaxUint64
	}
	for _, some := range []uint64{used, 1, used & rng.Uint64()} {
		tile := slices.Repeat([]int16{-5}, chunkRows*wordCols)
		wantTile := slices.Clone(tile)
		for i := range down.Cols / wordCols {
			decodeWords(tile, down, i*wordCols, some)
			decodeWordsGeneric(wantTile, down, i*wordCols, some)
			if !slices.Equal(tile, wantTile) {
				fail("rows")
			}
			y := cases(rng, tokens*wordCols)["random"]
			wantY := slices.Clone(y)
			addWords(y, tile, w, shares, i, stride, make([]byte, tokens*64*2))
			addWordsGeneric(wantY, tile, w, shares, i, stride)
			if !slices.EqualFunc(y, wantY, sameBits) {
				fail("sums")
			}
		}
	}
}

// What is not a number stays none.
func TestWordsThatAreNoNumbers(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 5))
	inf := float32(math.Inf(1))
	forEachISA(t, func(t *testing.T) {
		down := rowsOfCases(rng, quant.Q4_0, 3, 256)
		for name, bad := range map[string]float32{"infinite": inf, "not a number": inf - inf} {
			gates, dots := make([]float32, 2*chunkRows), make([]float32, 2*chunkRows)
			for i := range 3 {
				gates[i], dots[i] = 1, 1
				gates[chunkRows+i], dots[chunkRows+i] = 1, 1
			}
			dots[chunkRows+1] = bad
			w, shares, stride := testWords(down, gates, dots, 2, relativeScales, factorWords)
			tile, y := make([]int16, chunkRows*wordCols), make([]float32, 2*wordCols)
			decodeWords(tile, down, 0, 7)
			addWords(y, tile, w, shares, 0, stride, nil)
			for i, v := range y {
				finite := v-v == 0
				if want := i < wordCols; finite != want {
					t.Fatalf("%s: y[%d] is %g", name, i, v)
				}
			}
		}
	})
}

// testChoices returns n tokens that chose an expert, and its weight for each.
func testChoices(rng *rand.Rand, n, cols int) (x *Input, idx []int32, weights []float32) {
	x, idx = testTokens(rng, n, cols)
	for range n {
		weights = append(weights, rng.Float32())
	}
	return x, idx, weights
}

// A token's bits are the same where an expert's tokens are cut, as they are for many threads, and where they are not.
func TestBatchCut(t *testing.T) {
	const neurons, hidden = 80, 256
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(17, 6))
		for _, typ := range laneTypes {
			e, _, _, _ := testExpert(rng, typ, neurons, hidden)
			x, idx, weights := testChoices(rng, MaxBlock, hidden)
			scratch := new(Scratch)
			for n := dotBlock + 1; n <= MaxBlock; n++ {
				whole, cut := make([]float32, n*hidden), make([]float32, n*hidden)
				e.Batch(whole, x, idx[:n], weights[:n], scratch)
				e.Batch(cut, x, idx[:dotBlock], weights[:dotBlock], scratch)
				e.Batch(cut[dotBlock*hidden:], x, idx[dotBlock:n], weights[dotBlock:n], scratch)
				if !slices.EqualFunc(whole, cut, sameBits) {
					t.Errorf("%s: %d tokens differ from %d and %d", typ, n, dotBlock, n-dotBlock)
				}
			}
		}
	})
}

// Rows that are added as words come to the same as those that are added as floats. Plain Go shows it, on every machine.
func TestBatchInWords(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(17, 4))
		for _, hidden := range []int{256, 512, 1280} {
			for _, tokens := range []int{1, 3, 6, MaxBlock} {
				for _, typ := range laneTypes {
					testBatchInWords(t, rng, typ, hidden, tokens)
				}
			}
		}
	})
}

func testBatchInWords(t *testing.T, rng *rand.Rand, typ quant.Type, hidden, tokens int) {
	const neurons = 133
	e, _, _, _ := testExpert(rng, typ, neurons, hidden)
	x, idx, weights := testChoices(rng, tokens, hidden)
	scratch := new(Scratch)
	s := scratch.batch()
	s.lanes.pack(typ, x, idx)
	clear(grow(&s.y, hidden*tokens))
	clear(s.active[:tokens])
	for from := 0; from < neurons; from += chunkRows {
		gate, up, down := e.Gate.rows(from, chunkRows), e.Up.rows(from, chunkRows), e.Down.rows(from, chunkRows)
		Mul(s.gates[:], chunkRows, &gate, 0, gate.Units(), x, idx, scratch)
		s.positive(tokens, gate.Rows)
		s.addWords(&up, &down, weights, e.Gate.units(from/16+4, 4))
	}
	got, active := make([]float32, tokens*hidden), slices.Clone(s.active[:tokens])
	s.output(got, tokens, hidden, wordCols)

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
			if d := math.Abs(float64(got[i*hidden+c] - v)); d > 1e-4*most {
				t.Fatalf("%s, %d tokens of %d: y[%d, %d] is %g, want %g", typ, tokens, hidden, i, c, got[i*hidden+c], v)
			}
		}
	}
}
