package kernel

import (
	"math"
	"syscall"
	"testing"
	"unsafe"

	"st/quant"
)

// atEnd returns a copy of s that ends where readable memory ends.
func atEnd[T any](t *testing.T, s []T) []T {
	t.Helper()
	size := len(s) * int(unsafe.Sizeof(s[0]))
	page := syscall.Getpagesize()
	room := (size + page - 1) / page * page
	m, err := syscall.Mmap(-1, 0, room+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mprotect(m[room:], syscall.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(m) })
	c := unsafe.Slice((*T)(unsafe.Pointer(&m[room-size])), len(s))
	copy(c, s)
	return c
}

// TestOverread has every operand end at the end of memory: a kernel that reads or writes beyond it crashes.
func TestOverread(t *testing.T) {
	forEachISA(t, func(t *testing.T) {
		for _, cols := range []int{32, 64, 96, 160, 256, 288, 1536} {
			w, x := make([]float32, quant.GroupRows*cols), atEnd(t, make([]float32, cols))
			v := quantized(x)
			v = &vector{atEnd(t, v.q), atEnd(t, v.d), atEnd(t, v.sum)}
			quantize(v.q, v.d, v.sum, x)
			var acc [4][quant.GroupRows]float32
			groupQ4(&acc[0], atEnd(t, group(quant.Q4_0, w)), v)
			groupQ4x4(&acc, atEnd(t, group(quant.Q4_0, w)), &[4]vector{*v, *v, *v, *v})
			groupQ4Pair(new([2][quant.GroupRows]float32), atEnd(t, group(quant.Q4_0, w)), &[2]vector{*v, *v})
			groupQ8(&acc[0], atEnd(t, group(quant.Q8_0, w)), v)
			for _, typ := range []quant.Type{quant.Q4_0, quant.Q8_0} {
				group2(typ, new([2][quant.GroupRows]float32), atEnd(t, group(typ, w)), atEnd(t, group(typ, w)), v)
			}
			for _, typ := range []quant.Type{quant.Q4_0, quant.Q8_0} {
				groupEight(typ, new([8][quant.GroupRows]float32), atEnd(t, group(typ, w)), atEnd(t, make([]uint64, cols/32*eightWords)))
			}
			q, s := row(quant.Q4_0, w[:cols])
			q, s = atEnd(t, q), atEnd(t, s)
			dotQ4(q, s, v)
			axpyQ4(x, 1, q, s)
			dotQ4x4(&[4]float32{}, q, s, &[4]vector{*v, *v, *v, *v})
			in := &Input{N: 1, Cols: cols, q: v.q, d: v.d, sum: v.sum}
			for _, idx := range [][]int32{{0, 0, 0, 0}, make([]int32, 8)} {
				var p packed
				p.pack(in, idx)
				p.data = atEnd(t, p.data)
				for _, typ := range []quant.Type{quant.Q4_0, quant.Q8_0} {
					if packsType(typ) {
						groupPacked(typ, false, &p, atEnd(t, group(typ, w)), cols/quant.BlockSize, nil)
					}
				}
			}
			neuron := atEnd(t, make([]byte, 2*(len(q)+len(s))))
			up := Matrix{Type: quant.Q4_0, Rows: 1, Cols: cols, Data: neuron, Stride: len(neuron), ScaleOffset: 2 * len(q)}
			down := Matrix{Type: quant.Q4_0, Rows: 1, Cols: cols, Data: neuron[len(q):], Stride: len(neuron), ScaleOffset: len(q) + len(s)}
			neuronsQ4(x, []int32{0, 0, 0, 0, 0}, []float32{1, 1, 1, 1, 1}, &up, &down, v, Next{})
			if cols%256 == 0 {
				for _, typ := range laneTypes {
					overreadBatch(t, typ, w[:cols], v)
				}
			}
			q, s = row(quant.Q8_0, w[:cols])
			q, s = atEnd(t, q), atEnd(t, s)
			dotQ8(q, s, v)
			axpyQ8(x, 1, q, s)
		}
		tile := atEnd(t, make([]float32, tileCols))
		decodeRowsQ4(tile, atEnd(t, make([]byte, tileCols/2)), atEnd(t, make([]byte, tileCols/16)), 0, []int32{0})
		addTile(atEnd(t, make([]float32, 2*tileCols)), tileCols, 2, true, &batch{end: [MaxBlock]int32{1, 1}})
		for _, d := range []int{32, 128} {
			q, k := atEnd(t, make([]float32, 2*d)), atEnd(t, make([]float32, 4*d))
			scores2(atEnd(t, make([]float32, PositionTile+4)), q, k)
			addWeighted2(q, atEnd(t, make([]float32, PositionTile+4)), k)
			for _, rows := range []int{4, 6} {
				for _, n := range []int{1, 4, PositionTile - 1, PositionTile} {
					q, k, p := atEnd(t, make([]float32, rows*d)), atEnd(t, make([]byte, 2*n*d)), atEnd(t, make([]float32, rows*PositionTile))
					ScoresF16(p, q, k, n, d, k)
					AddWeightedF16(q, p, k, n, d, k)
				}
			}
		}
		for n := 1; n < 70; n++ {
			x, y := atEnd(t, make([]float32, n)), atEnd(t, make([]float32, n))
			dot(x, y)
			axpy(x, 1, y)
			axpy4(x, new([4]float32), &[4][]float32{y, y, y, y})
			expSum(x, 1)
			sumSquares(x)
			scaleMul(x, y, y, 1)
			encodeF16(atEnd(t, make([]byte, 2*n)), x)
			Decode(quant.F16, x, atEnd(t, make([]byte, 2*n)), nil)
			Decode(quant.F32, x, atEnd(t, make([]byte, 4*n)), nil)
			for _, typ := range []quant.Type{quant.F16, quant.BF16} {
				if hasHalf(typ) {
					row := atEnd(t, make([]byte, 2*n))
					dotHalf(typ, row, x, true)
					axpyHalf(typ, x, 1, row)
					two := Matrix{Type: typ, Rows: 2, Cols: n, Stride: 2 * n, Data: atEnd(t, make([]byte, 4*n))}
					mulHalf(atEnd(t, make([]float32, 2)), &two, 0, 2, x)
				}
			}
			if rows, _ := floatBlock(n); rows > 0 {
				dotRows(&atEnd(t, make([][8]float32, 1))[0], &atEnd(t, make([]dotSums, 1))[0], &[4][]float32{x, y, x, y}, x, y, true)
			}
		}
	})
}

// overreadBatch calls the kernels for the active neurons of a batch at the end of mapped memory.
func overreadBatch(t *testing.T, typ quant.Type, w []float32, v *vector) {
	cols := len(w)
	q, _ := row(typ, w)
	s := cols / 16
	neuron := atEnd(t, make([]byte, 2*(len(q)+s)))
	up := Matrix{Type: typ, Rows: 1, Cols: cols, Data: neuron, Stride: len(neuron), ScaleOffset: 2 * len(q)}
	down := Matrix{Type: typ, Rows: 1, Cols: cols, Data: neuron[len(q):], Stride: len(neuron), ScaleOffset: len(q) + s}
	size := laneBytes(cols / quant.BlockSize)
	lanes, factors := atEnd(t, make([]byte, size)), atEnd(t, make([]float32, chunkRows))
	packLane(lanes, v, laneOffset(typ))
	dotsLanes(factors, &up, &[chunkRows]uint64{1}, lanes, atEnd(t, make([]byte, dotsScratch)))
	dotsLanes(factors, &down, &[chunkRows]uint64{1}, lanes, atEnd(t, make([]byte, dotsScratch)))
	many := atEnd(t, make([]byte, MaxBlock*size))
	dotsLanes(atEnd(t, make([]float32, MaxBlock*chunkRows)), &up, &[chunkRows]uint64{math.MaxUint64}, many, atEnd(t, make([]byte, dotsScratch)))
	blocks := cols / quant.BlockSize
	sums := words{scales: atEnd(t, make([]float32, chunkRows*blocks)), tops: atEnd(t, make([]float32, blocks)), rows: atEnd(t, make([]int32, 2)),
		factors: atEnd(t, make([]byte, cols/wordCols*wordsOfPair))}
	scales := atEnd(t, make([]float32, blocks))
	relativeScales(scales, sums.tops, &down)
	sums.units[0] = factorWords(&sums, 0, wordsOfPair, atEnd(t, make([]float32, chunkRows)), factors, 1, 1<<63)
	tile := atEnd(t, make([]int16, chunkRows*wordCols))
	decodeWords(atEnd(t, tile[:wordCols]), &down, cols-wordCols, 1)
	addWords(atEnd(t, make([]float32, wordCols)), tile, &sums, []share{{}, {first: 1}}, cols/wordCols-1, wordsOfPair, nil)
}
