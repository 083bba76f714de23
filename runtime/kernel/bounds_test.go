package kernel

import (
	"slices"
	"testing"

	"st/quant"
)

// What assembly reads and writes is checked before it is called: an operand that is too short is a panic, not a fault.
func TestShortOperands(t *testing.T) {
	const cols = 256
	v := quantized(make([]float32, cols))
	short := quantized(make([]float32, cols-32))
	torn := vector{v.q[:cols-32], v.d, v.sum}
	bytes := func(n int) []byte { return make([]byte, n)[:n:n] }
	floats := func(n int) []float32 { return make([]float32, n)[:n:n] }
	matrix := func(cols int) *Matrix {
		return &Matrix{Type: quant.Q4_0, Rows: 8, Cols: cols, Data: bytes(8 * quant.Q4_0.RowBytes(cols)), Stride: quant.Q4_0.RowBytes(cols), ScaleOffset: cols / 2}
	}
	four := []int32{0, 1, 2, 7}
	quad := func(missing int) *packed {
		return &packed{quads: 1, n: 4, acc: floats(4 * quant.GroupRows), lines: bytes(lineBytes), data: bytes(cols/quant.BlockSize*quadBytes - missing)}
	}
	// A chunk's rows as lanes.go and words.go take them, of cols columns.
	chunk := func(rows, missing int) *Matrix {
		n := quant.Q8_0.RowBytes(cols)
		return &Matrix{Type: quant.Q8_0, Rows: rows, Cols: cols, Data: bytes(rows*n - missing), Stride: n, ScaleOffset: cols}
	}
	lanes := func(w *Matrix, vectors int, mask uint64) {
		dotsLanes(floats(2*chunkRows), w, &[chunkRows]uint64{7: mask}, bytes(vectors*laneBytes(cols/quant.BlockSize)), bytes(dotsScratch))
	}
	// Two pairs of three rows, of which one operand is another one.
	const pairs, blocks = 2, cols / quant.BlockSize
	pairsOf := func(other words) *words {
		w := words{scales: floats(chunkRows * blocks), tops: floats(blocks), rows: []int32{0, 1 * wordsOfRow, 63 * wordsOfRow, 0}, factors: bytes(cols / wordCols * pairs * wordsOfPair)}
		if other.scales != nil {
			w.scales = other.scales
		}
		if other.tops != nil {
			w.tops = other.tops
		}
		if other.rows != nil {
			w.rows = other.rows
		}
		if other.factors != nil {
			w.factors = other.factors
		}
		return &w
	}
	factor := func(other words) {
		gates := slices.Repeat([]float32{1}, chunkRows)
		factorWords(pairsOf(other), 0, pairs*wordsOfPair, gates, floats(chunkRows), 1, 1<<63|3)
	}
	add := func(other words, tile int) {
		addWords(floats(wordCols), make([]int16, tile), pairsOf(other), []share{{}, {first: pairs}}, 0, pairs*wordsOfPair, nil)
	}
	forEachISA(t, func(t *testing.T) {
		for name, call := range map[string]func(){
			"groupQ4": func() { groupQ4(new([16]float32), bytes(quant.Q4_0.GroupBytes(cols)-1), v) },
			"groupQ8": func() { groupQ8(new([16]float32), bytes(quant.Q8_0.GroupBytes(cols)-1), v) },
			"groupQ4x4": func() {
				groupQ4x4(new([4][16]float32), bytes(quant.Q4_0.GroupBytes(cols)-1), &[4]vector{*v, *v, *v, *v})
			},
			"groupQ4Pair": func() {
				groupQ4Pair(new([2][16]float32), bytes(quant.Q4_0.GroupBytes(cols)-1), &[2]vector{*v, *v})
			},
			"groupEight": func() {
				groupEight(quant.Q8_0, new([8][16]float32), bytes(quant.Q8_0.GroupBytes(cols)-1), make([]uint64, cols/32*eightWords))
			},
			"group2": func() {
				group2(quant.Q4_0, new([2][16]float32), bytes(quant.Q4_0.GroupBytes(cols)), bytes(quant.Q4_0.GroupBytes(cols)-1), v)
			},
			"group2 of Q8_0": func() {
				group2(quant.Q8_0, new([2][16]float32), bytes(quant.Q8_0.GroupBytes(cols)-1), bytes(quant.Q8_0.GroupBytes(cols)), v)
			},
			"groupPacked": func() {
				groupPacked(quant.Q4_0, false, quad(0), bytes(quant.Q4_0.GroupBytes(cols)-1), cols/quant.BlockSize, nil)
			},
			"groupPacked of Q8_0": func() {
				groupPacked(quant.Q8_0, true, quad(0), bytes(quant.Q8_0.GroupBytes(cols)-1), cols/quant.BlockSize, nil)
			},
			"groupPacked, vectors": func() {
				groupPacked(quant.Q8_0, true, quad(1), bytes(quant.Q8_0.GroupBytes(cols)), cols/quant.BlockSize, nil)
			},
			"dotRows": func() {
				dotRows(nil, new(dotSums), &[4][]float32{floats(64), floats(64), floats(63), floats(64)}, floats(64), floats(64), true)
			},
			"dotQ4":            func() { dotQ4(bytes(cols/2-1), bytes(cols/16), v) },
			"dotQ4 scales":     func() { dotQ4(bytes(cols/2), bytes(cols/16-1), v) },
			"dotQ4 vector":     func() { dotQ4(bytes(cols/2), bytes(cols/16), &vector{torn.q[: cols-32 : cols-32], v.d, v.sum}) },
			"dotQ8":            func() { dotQ8(bytes(cols-1), bytes(cols/16), v) },
			"dotQ8 scales":     func() { dotQ8(bytes(cols), bytes(cols/16-1), v) },
			"dotQ4x4":          func() { dotQ4x4(new([4]float32), bytes(cols/2-1), bytes(cols/16), &[4]vector{*v, *v, *v, *v}) },
			"two vectors":      func() { checkPair(&[2]vector{*v, *short}) },
			"vectors":          func() { checkFour(&[4]vector{*v, *v, *short, *v}) },
			"axpyQ4":           func() { axpyQ4(floats(cols), 1, bytes(cols/2-1), bytes(cols/16)) },
			"axpyQ4 scales":    func() { axpyQ4(floats(cols), 1, bytes(cols/2), bytes(cols/16-1)) },
			"axpyQ8":           func() { axpyQ8(floats(cols), 1, bytes(cols-1), bytes(cols/16)) },
			"axpyQ8 scales":    func() { axpyQ8(floats(cols), 1, bytes(cols), bytes(cols/16-1)) },
			"neurons, of down": func() { neuronsQ4(floats(cols), four, floats(4), matrix(cols), matrix(cols-32), v, Next{}) },
			"neurons, of up":   func() { neuronsQ4(floats(cols-32), four, floats(4), matrix(cols-32), matrix(cols-32), v, Next{}) },
			"neurons, of h":    func() { neuronsQ4(floats(cols), four, floats(3), matrix(cols), matrix(cols), v, Next{}) },
			"neurons, a row":   func() { neuronsQ4(floats(cols), []int32{0, 1, 2, 8}, floats(4), matrix(cols), matrix(cols), v, Next{}) },
			"decodeRowsQ4": func() {
				decodeRowsQ4(floats(2*tileCols), bytes(2*tileCols/2-1), bytes(cols), tileCols/2, []int32{0, 1})
			},
			"decodeRowsQ4 row": func() { decodeRowsQ4(floats(tileCols), bytes(tileCols/2), bytes(cols), tileCols/2, []int32{-1}) },
			"decodeRowsQ4 dst": func() { decodeRowsQ4(floats(tileCols), bytes(cols), bytes(cols), tileCols/2, []int32{0, 1}) },
			"addTile":          func() { addTile(floats(2*tileCols-1), tileCols, 2, true, &batch{end: [MaxBlock]int32{1, 1}}) },
			"packLane":         func() { packLane(bytes(laneBytes(cols/quant.BlockSize)-1), v, 8) },
			"packLane vector": func() {
				packLane(bytes(laneBytes(cols/quant.BlockSize)), &vector{torn.q[: cols-32 : cols-32], v.d, v.sum}, 8)
			},
			"dotsLanes row":    func() { lanes(chunk(8, 1), 2, 3) },
			"dotsLanes vector": func() { lanes(chunk(8, 0), 1, 3) },
			"dotsLanes mask":   func() { lanes(chunk(8, 0), 2, 4) },
			"dotsLanes dots": func() {
				dotsLanes(floats(chunkRows), chunk(8, 0), &[chunkRows]uint64{7: 2}, bytes(2*laneBytes(cols/quant.BlockSize)), bytes(dotsScratch))
			},
			"relativeScales":      func() { relativeScales(floats(8*cols/quant.BlockSize-1), floats(cols/quant.BlockSize), chunk(8, 0)) },
			"relativeScales tops": func() { relativeScales(floats(8*cols/quant.BlockSize), floats(cols/quant.BlockSize-1), chunk(8, 0)) },
			"relativeScales row":  func() { relativeScales(floats(8*cols/quant.BlockSize), floats(cols/quant.BlockSize), chunk(8, 1)) },
			"factorWords":         func() { factor(words{rows: make([]int32, 3)}) },
			"factorWords factors": func() { factor(words{factors: bytes(cols/wordCols*pairs*wordsOfPair - 1)}) },
			"factorWords scales":  func() { factor(words{scales: floats(chunkRows*blocks - 1)}) },
			"decodeWords":         func() { decodeWords(make([]int16, 7*wordCols), chunk(8, 0), 0, 1<<7) },
			"decodeWords row":     func() { decodeWords(make([]int16, chunkRows*wordCols), chunk(8, 0), 0, 1<<8) },
			"decodeWords rows":    func() { decodeWords(make([]int16, chunkRows*wordCols), chunk(8, 1), 0, 1<<7) },
			"decodeWords column":  func() { decodeWords(make([]int16, chunkRows*wordCols), chunk(8, 0), cols, 1<<7) },
			"addWords":            func() { add(words{}, chunkRows*wordCols-1) },
			"addWords factors":    func() { add(words{factors: bytes(pairs*wordsOfPair - 1)}, chunkRows*wordCols) },
			"addWords rows":       func() { add(words{rows: make([]int32, 3)}, chunkRows*wordCols) },
			"addWords tops":       func() { add(words{tops: floats(wordBlocks - 1)}, chunkRows*wordCols) },
			"scores2":             func() { scores2(floats(PositionTile+3), floats(64), floats(4*32)) },
			"addWeighted2":        func() { addWeighted2(floats(64), floats(PositionTile+3), floats(4*32)) },
			"ScoresF16":           func() { ScoresF16(floats(4*PositionTile), floats(4*32), bytes(2*2*32-1), 2, 32, nil) },
			"ScoresF16 dst":       func() { ScoresF16(floats(4*PositionTile-1), floats(4*32), bytes(2*2*32), 2, 32, nil) },
			"AddWeightedF16":      func() { AddWeightedF16(floats(4*32), floats(4*PositionTile), bytes(2*2*32-1), 2, 32, nil) },
			"AddWeightedF16 p":    func() { AddWeightedF16(floats(4*32), floats(4*PositionTile-1), bytes(2*2*32), 2, 32, nil) },
			"dot":                 func() { dot(floats(9), floats(8)) },
			"axpy":                func() { axpy(floats(9), 1, floats(8)) },
			"axpy4":               func() { axpy4(floats(9), new([4]float32), &[4][]float32{floats(9), floats(9), floats(9), floats(8)}) },
			"dotHalf":             func() { dotHalf(quant.F16, bytes(17), floats(9), true) },
			"axpyHalf":            func() { axpyHalf(quant.BF16, floats(9), 1, bytes(17)) },
			"quantize":            func() { quantize(make([]int8, 64), floats(2), make([]int32, 2), floats(63)) },
			"scaleMul":            func() { scaleMul(floats(9), floats(9), floats(8), 1) },
			"encodeF16":           func() { encodeF16(bytes(17), floats(9)) },
			"decodeF16":           func() { decodeF16(floats(9), bytes(17)) },
			"SiLUMul":             func() { SiLUMul(floats(8), floats(9), floats(9)) },
			"SiLUMul up":          func() { SiLUMul(floats(9), floats(9), floats(8)) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: an operand that is too short is no panic", name)
					}
				}()
				call()
			}()
		}
	})
}
