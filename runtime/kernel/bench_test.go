package kernel

import (
	"bytes"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"st/quant"
)

// benchCols is the width of the 4B model.
const benchCols = 1536

// bench measures f, which reads n bytes, with every instruction set.
func bench(b *testing.B, name string, n int, f func()) {
	was := ISA()
	defer Select(was)
	for _, isa := range isas() {
		if err := Select(isa); err != nil {
			b.Fatal(err)
		}
		b.Run(name+"/"+isa, func(b *testing.B) {
			for b.Loop() {
				f()
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GB/s")
		})
	}
}

// BenchmarkKernels measures every kernel with data in the L1 or L2 cache.
func BenchmarkKernels(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	w, x := cases(rng, quant.GroupRows*benchCols)["random"], cases(rng, benchCols)["random"]
	v := quantized(x)
	four := [4]vector{*v, *v, *v, *v}
	var acc [4][quant.GroupRows]float32
	q4, q8 := group(quant.Q4_0, w), group(quant.Q8_0, w)
	bench(b, "groupQ4", len(q4), func() { groupQ4(&acc[0], q4, v) })
	var pair [2][quant.GroupRows]float32
	bench(b, "groupQ4Pair", len(q4), func() { groupQ4Pair(&pair, q4, &[2]vector{*v, *v}) })
	bench(b, "groupQ4x4", len(q4), func() { groupQ4x4(&acc, q4, &four) })
	var two [2][quant.GroupRows]float32
	other4, other8 := slices.Clone(q4), slices.Clone(q8)
	bench(b, "group2 of q4_0", 2*len(q4), func() { group2(quant.Q4_0, &two, q4, other4, v) })
	bench(b, "group2 of q8_0", 2*len(q8), func() { group2(quant.Q8_0, &two, q8, other8, v) })
	in, idx := NewInput(packTile, benchCols), make([]int32, packTile)
	for i := range idx {
		copy(in.Row(i), x)
		in.Quantize(i)
		idx[i] = int32(i)
	}
	var packs packed
	bench(b, "pack", len(idx)*benchCols, func() { packs.pack(in, idx) })
	for _, alone := range []bool{false, true} {
		// Bytes of weights times vectors: a multiply-add is half a byte.
		bench(b, fmt.Sprintf("groupPacked alone %t", alone), len(q4)*len(idx), func() { groupPacked(quant.Q4_0, alone, &packs, q4, benchCols/quant.BlockSize, nil) })
	}
	if packsType(quant.Q8_0) {
		bench(b, "groupPacked Q8_0", len(q8)*len(idx), func() { groupPacked(quant.Q8_0, true, &packs, q8, benchCols/quant.BlockSize, nil) })
	}
	bench(b, "groupQ8", len(q8), func() { groupQ8(&acc[0], q8, v) })

	q, s := row(quant.Q4_0, w[:benchCols])
	bench(b, "dotQ4", len(q)+len(s), func() { dotQ4(q, s, v) })
	bench(b, "axpyQ4", len(q)+len(s), func() { axpyQ4(x, 1e-9, q, s) })
	q, s = row(quant.Q8_0, w[:benchCols])
	bench(b, "dotQ8", len(q)+len(s), func() { dotQ8(q, s, v) })
	bench(b, "axpyQ8", len(q)+len(s), func() { axpyQ8(x, 1e-9, q, s) })

	bench(b, "quantize", 4*len(x), func() { quantize(v.q, v.d, v.sum, x) })
	bench(b, "dot128", 8*128, func() { dot(x[:128], w[:128]) })
	bench(b, "axpy128", 8*128, func() { axpy(x[:128], 1e-9, w[:128]) })
	bench(b, "axpy", 8*len(x), func() { axpy(x, 1e-9, w[:benchCols]) })
	var dots [4]float32
	q, s = row(quant.Q4_0, w[:benchCols])
	bench(b, "dotQ4x4", len(q)+len(s), func() { dotQ4x4(&dots, q, s, &four) })
	blk := &batch{}
	list := make([]int32, chunkRows)
	for i := range blk.factors {
		blk.factors[i] = factor{int32(i % (chunkRows / 3) * 3 * tileCols), 1e-9}
		list[i%chunkRows] = int32(i % chunkRows)
	}
	for i := range blk.start {
		blk.start[i], blk.end[i] = int32(i*chunkRows/3), int32(i*chunkRows/3+chunkRows/3)
	}
	bench(b, "decodeRowsQ4", len(list)*tileCols/2, func() { decodeRowsQ4(blk.tile[:], q, s, 0, list) })
	bench(b, "addTile", 4*MaxBlock*chunkRows/3*tileCols, func() { addTile(w, tileCols, MaxBlock, true, blk) })
	lane := laneBytes(benchCols / quant.BlockSize)
	lanes := make([]byte, MaxBlock*lane)
	bench(b, "packLane", benchCols, func() { packLane(lanes[:lane], v, 8) })
	for step := lane; step < len(lanes); step *= 2 {
		copy(lanes[step:], lanes[:step])
	}
	const some = 64
	neuron := 2 * (len(q) + len(s))
	// What was never written is one page of zeros, whose lines a cache may confuse: everything that is read gets numbers.
	rows := bytes.Repeat([]byte{0x2c}, some*neuron)
	up := Matrix{Type: quant.Q4_0, Rows: some, Cols: benchCols, Data: rows, Stride: neuron, ScaleOffset: 2 * len(q)}
	down := Matrix{Type: quant.Q4_0, Rows: some, Cols: benchCols, Data: rows[len(q):], Stride: neuron, ScaleOffset: len(q) + len(s)}
	all := make([]int32, some)
	for i := range all {
		all[i] = int32(i)
	}
	// A third of the rows is active for each of 16 and of 64 tokens.
	var masks, byRow [chunkRows]uint64
	for i := range masks {
		masks[i] = rng.Uint64() & (rng.Uint64() | rng.Uint64()&rng.Uint64())
	}
	h, tile, y := make([]float32, MaxBlock*chunkRows), make([]int16, chunkRows*wordCols), make([]float32, MaxBlock*wordCols)
	sums := words{scales: make([]float32, chunkRows*benchCols/quant.BlockSize), tops: make([]float32, benchCols/quant.BlockSize)}
	for _, tokens := range []int{16, MaxBlock} {
		active := 0
		for t := range tokens {
			byRow[t] = masks[t]
			active += bits.OnesCount64(masks[t])
		}
		transpose(&byRow)
		scratch := make([]byte, dotsScratch)
		bench(b, fmt.Sprintf("dotsLanes of %d, multiply-adds in", tokens), active*benchCols, func() { dotsLanes(h, &up, &byRow, lanes, scratch) })
		shares := sums.share(masks[:tokens])
		pairs := int(shares[tokens].first)
		stride := pairs * wordsOfPair
		sums.rows, sums.factors = make([]int32, 2*pairs), make([]byte, benchCols/wordCols*stride)
		gates := slices.Repeat([]float32{1}, chunkRows)
		bench(b, fmt.Sprintf("factorWords of %d, bytes", tokens), len(sums.factors), func() {
			for _, of := range shares[:tokens] {
				factorWords(&sums, int(of.first), stride, gates, h[of.token*chunkRows:][:chunkRows], 1, masks[of.token])
			}
		})
		bench(b, fmt.Sprintf("addWords of %d, multiply-adds in", tokens), active*wordCols, func() { addWords(y[:tokens*wordCols], tile, &sums, shares, 0, stride, nil) })
		byRow = [chunkRows]uint64{}
	}
	bench(b, "relativeScales", some*benchCols/16, func() { relativeScales(sums.scales, sums.tops, &down) })
	bench(b, "decodeWords", some*wordCols/2, func() { decodeWords(tile, &down, 0, 1<<some-1) })
	bench(b, "neurons", len(rows), func() { neuronsQ4(x, all, w[:some], &up, &down, v, Next{}) })
	h = make([]float32, quant.GroupRows*benchCols)
	neurons := make([]int32, len(h))
	bench(b, "listActive", 4*768, func() { ListActive(neurons, h, w[:768], 0.3) })
	scores := make([]float32, 6*PositionTile)
	bench(b, "scores", 4*PositionTile*128, func() { Scores(scores, w[:6*128], w[:PositionTile*128], PositionTile, 128) })
	bench(b, "addWeighted", 4*PositionTile*128, func() { AddWeighted(w[:6*128], scores, w[1536:][:PositionTile*128], PositionTile, 128) })
	rowsQ, rowsOut, state := make([]float32, QueryRows*128), make([]float32, QueryRows*128), make([]float32, RowsState)
	var at [QueryRows]int
	for i := range at {
		at[i] = i * 128
	}
	bench(b, "beginRows", 4*len(rowsQ), func() { BeginRows(rowsQ, rowsOut, state, w, &at, 128, 0.1) })
	bench(b, "attendRows, multiply-adds in", 2*QueryRows*PositionTile*128, func() { AttendRows(rowsQ, rowsOut, state, w, w[PositionTile*128:], PositionTile, 128, nil) })
	bench(b, "endRows", 4*len(rowsQ), func() { EndRows(w, &at, rowsOut, state, 128) })
	keys := make([]byte, 2*PositionTile*128)
	bench(b, "scoresF16", len(keys), func() { ScoresF16(scores, w[:6*128], keys, PositionTile, 128, keys) })
	bench(b, "addWeightedF16", len(keys), func() { AddWeightedF16(w[:6*128], scores, keys, PositionTile, 128, keys) })
	bench(b, "expSum", 4*PositionTile, func() { ExpSum(scores[:PositionTile], 1) })
	half := make([]byte, 2*benchCols)
	quant.F16.Encode(half, nil, x)
	bench(b, "decodeF16", len(half), func() { Decode(quant.F16, x, half, nil) })
}

// BenchmarkMatrix multiplies matrices far above any cache with one vector, as decoding does, by one thread and by two, and with two vectors. Beside it,
// the same bytes are only read, in one stream: products with one vector take two on amd64, and may be faster.
func BenchmarkMatrix(b *testing.B) {
	rng := rand.New(rand.NewPCG(3, 4))
	x, idx := NewInput(2, benchCols), []int32{0, 1}
	for i := range idx {
		copy(x.Row(i), cases(rng, benchCols)["random"])
		x.Quantize(i)
	}
	for _, typ := range []quant.Type{quant.Q4_0, quant.Q8_0} {
		g := group(typ, cases(rng, quant.GroupRows*benchCols)["random"])
		units := 128 << 20 / len(g)
		m := Matrix{Type: typ, Grouped: true, Rows: units * quant.GroupRows, Cols: benchCols, Stride: len(g)}
		for range units {
			m.Data = append(m.Data, g...)
		}
		dst := make([]float32, 2*m.Rows)
		if typ == quant.Q4_0 {
			bench(b, "read", len(m.Data), func() { Read(m.Data) })
		}
		bench(b, typ.String(), len(m.Data), func() { Mul(dst, m.Rows, &m, 0, units, x, idx[:1], nil) })
		bench(b, typ.String()+" by 2 threads", len(m.Data), func() {
			var wg sync.WaitGroup
			wg.Go(func() { Mul(dst, m.Rows, &m, 0, units/2, x, idx[:1], nil) })
			Mul(dst, m.Rows, &m, units/2, units, x, idx[:1], nil)
			wg.Wait()
		})
		bench(b, typ.String()+" with 2 vectors", len(m.Data), func() { Mul(dst, m.Rows, &m, 0, units, x, idx, nil) })
	}
}

// BenchmarkReGLU runs experts of the 4B model's shape, a third of whose neurons are active: for one token and for blocks of tokens, with every
// expert out of DRAM, and with one that stays in a cache. GB/s are those of one token's weights.
func BenchmarkReGLU(b *testing.B) {
	const neurons, experts = 768, 64
	rng := rand.New(rand.NewPCG(5, 6))
	stride := 2 * quant.Q4_0.RowBytes(benchCols)
	// A third of the gates is positive: activations are about 0.1, and gates about -0.1.
	some := func(n int, mean float32) []float32 {
		w := cases(rng, n)["random"]
		for i := range w {
			w[i] += mean
		}
		return w
	}
	var gate, record []byte
	for range neurons / quant.GroupRows {
		gate = group(quant.Q4_0, some(quant.GroupRows*benchCols, -0.1))
		record = append(record, gate...)
	}
	up, upScales := row(quant.Q4_0, cases(rng, benchCols)["random"])
	neuron := append(append(append(append([]byte(nil), up...), up...), upScales...), upScales...)
	for range neurons {
		record = append(record, neuron...)
	}
	all := make([]Expert, experts)
	for i := range all {
		data := append([]byte(nil), record...)
		rows := data[neurons/quant.GroupRows*len(gate):]
		all[i] = Expert{
			Gate: Matrix{Type: quant.Q4_0, Grouped: true, Rows: neurons, Cols: benchCols, Data: data, Stride: len(gate)},
			Up:   Matrix{Type: quant.Q4_0, Rows: neurons, Cols: benchCols, Data: rows, Stride: stride, ScaleOffset: 2 * len(up)},
			Down: Matrix{Type: quant.Q4_0, Rows: neurons, Cols: benchCols, Data: rows[len(up):], Stride: stride, ScaleOffset: len(up) + len(upScales)},
		}
	}
	for _, c := range []struct {
		name            string
		tokens, experts int
	}{{"1token", 1, experts}, {"4tokens", 4, experts}, {"16tokens", 16, experts}, {"64tokens", MaxBlock, experts}, {"16tokens_of_one", 16, 1}, {"64tokens_of_one", MaxBlock, 1}} {
		x := NewInput(c.tokens, benchCols)
		var idx []int32
		var weights []float32
		for i := range c.tokens {
			copy(x.Row(i), some(benchCols, 0.1))
			x.Quantize(i)
			idx, weights = append(idx, int32(i)), append(weights, 1e-9)
		}
		y := make([]float32, c.tokens*benchCols)
		var scratch Scratch
		i := 0
		gates := make([]float32, neurons)
		list, h := make([]int32, 0, neurons), make([]float32, 0, neurons)
		bench(b, c.name, neurons/quant.GroupRows*len(gate)+neurons/3*stride, func() {
			e := &all[i%c.experts]
			i++
			if c.tokens > 1 {
				e.Batch(y, x, idx, weights, &scratch)
				return
			}
			Mul(gates, neurons, &e.Gate, 0, neurons/quant.GroupRows, x, idx, &scratch)
			list, h = list[:0], h[:0]
			for j := int32(0); j < neurons; j += 3 {
				list, h = append(list, j), append(h, gates[j])
			}
			e.Neurons(y, list, h, x, 0, Next{}, &scratch)
		})
	}
}

// BenchmarkNeurons runs the active neurons of the 4B model's experts for one token, in slices as decoding cuts them: of experts that lie in the L2 cache,
// and of more than any cache holds, by one thread and by two at once.
func BenchmarkNeurons(b *testing.B) {
	const neurons, slice = 768, 44
	rng := rand.New(rand.NewPCG(7, 8))
	stride := 2 * quant.Q4_0.RowBytes(benchCols)
	up, upScales := row(quant.Q4_0, cases(rng, benchCols)["random"])
	down, downScales := row(quant.Q4_0, cases(rng, benchCols)["random"])
	neuron := slices.Concat(up, down, upScales, downScales)
	x := quantized(cases(rng, benchCols)["random"])
	for _, c := range []struct {
		name             string
		experts, threads int
	}{{"L2", 1, 1}, {"memory", 256, 1}, {"memory2", 256, 2}} {
		data := make([]byte, 0, c.experts*neurons*stride)
		all := make([]Expert, c.experts)
		var lists [][]int32
		var h []float32
		for i := range all {
			from := len(data)
			for range neurons {
				data = append(data, neuron...)
			}
			rows := data[from:]
			all[i] = Expert{
				Up:   Matrix{Type: quant.Q4_0, Rows: neurons, Cols: benchCols, Data: rows, Stride: stride, ScaleOffset: 2 * len(up)},
				Down: Matrix{Type: quant.Q4_0, Rows: neurons, Cols: benchCols, Data: rows[len(up):], Stride: stride, ScaleOffset: len(up) + len(upScales)},
			}
			var list []int32
			for j := range int32(neurons) {
				if rng.IntN(3) == 0 {
					list = append(list, j)
				}
			}
			lists = append(lists, list)
		}
		for range neurons {
			h = append(h, float32(rng.NormFloat64()))
		}
		done := 0
		for _, list := range lists {
			done += len(list)
		}
		bench(b, c.name, done*2*quant.Q4_0.RowBytes(benchCols), func() {
			var wg sync.WaitGroup
			for t := range c.threads {
				run := func() {
					y := make([]float32, benchCols)
					var next Next
					for i := t; i < c.experts; i += c.threads {
						for list := lists[i]; len(list) > 0; {
							n := min(slice, len(list))
							if next = (Next{&all[i], list[n:]}); len(next.Neurons) == 0 && i+c.threads < c.experts {
								next = Next{&all[i+c.threads], lists[i+c.threads]}
							}
							neuronsQ4(y, list[:n], h, &all[i].Up, &all[i].Down, x, next)
							list = list[n:]
						}
					}
				}
				if t+1 < c.threads {
					wg.Go(run)
				} else {
					run()
				}
			}
			wg.Wait()
		})
	}
}
