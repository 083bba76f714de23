package kernel

import (
	"math/bits"

	"st/quant"
)

const (
	// chunkRows is the number of neurons that Batch takes at a time, and tileCols the number of their down rows' columns: so
	// many decoded weights fit in the L1 cache, and a token's columns of y in registers.
	chunkRows = 64
	tileCols  = 64
	// MaxBlock is the largest number of tokens that Batch takes: their outputs fit in the L2 cache.
	MaxBlock = 64
	// dotBlock is the number of tokens among which products with an up row are shared out to kernels, so that a token's bits depend on no others.
	dotBlock = 32
)

// BatchBlock returns how many of an expert's tokens are worth a call of [Expert.Batch] if n are wanted. A token's bits are the same where they are cut into
// such blocks, from their first on.
func BatchBlock(n int) int {
	if n >= MaxBlock {
		return MaxBlock
	}
	return dotBlock
}

// Batch computes the expert for up to MaxBlock tokens, which share the work of unpacking its weights: row i of y [len(idx),
// hidden] becomes weights[i] times its output for vector idx[i] of the input. It returns how many neurons were active for each
// vector; the slice is valid until scratch is used again.
func (e *Expert) Batch(y []float32, x *Input, idx []int32, weights []float32, scratch *Scratch) (active []int32) {
	if len(idx) == 0 {
		return nil
	}
	s := scratch.batch()
	weights, active = weights[:len(idx)], s.active[:len(idx)]
	clear(active)
	if e.lanes() {
		s.lanes.pack(e.Up.Type, x, idx)
	}
	words, cols := e.words(), tileCols
	if words {
		cols = wordCols
	}
	clear(grow(&s.y, (e.Down.Cols+cols-1)/cols*cols*len(idx)))
	gatesPacked := packable(&e.Gate, len(idx))
	if gatesPacked {
		scratch.packed.pack(x, idx)
	}
	n := e.Gate.UnitRows()
	step := chunkRows / n
	for from := 0; from < e.Gate.Units(); from += step {
		units := min(step, e.Gate.Units()-from)
		chunk := e.Gate.rows(from*n, units*n) // its rows land at the start of gates
		if gatesPacked {
			up := e.Up.rows(from*n, chunk.Rows)
			scratch.packed.gates(s.gates[:], &chunk, &up, x, idx)
		} else {
			Mul(s.gates[:], chunkRows, &chunk, 0, units, x, idx, scratch)
		}
		s.positive(len(idx), chunk.Rows)
		if words {
			up, down := e.Up.rows(from*n, chunk.Rows), e.Down.rows(from*n, chunk.Rows)
			s.addWords(&up, &down, weights, e.Gate.units(from+units, step))
			continue
		}
		e.products(s, from*n, chunk.Rows, x, idx, weights, scratch)
		for t := range active {
			active[t] += s.end[t] - s.start[t]
		}
		e.addDown(s, from*n, len(idx))
	}
	s.output(y, len(idx), e.Down.Cols, cols)
	return active
}

// batch is the working memory of Batch. A token's gates are at [token·chunkRows].
type batch struct {
	// Some columns of active neurons' down rows. They come first, where no load crosses a cache line: a loop over them is bound by loads.
	tile     [chunkRows * tileCols]float32
	wordTile [chunkRows * wordCols]int16 // the same as words
	gates    [MaxBlock * chunkRows]float32
	// The active neurons of each token: factors[start[t]:end[t]].
	start, end [MaxBlock]int32
	factors    [MaxBlock * chunkRows]factor
	masks      [MaxBlock]uint64  // the same as bits: a mask of neurons for every token
	byRow      [chunkRows]uint64 // and a mask of tokens for every neuron
	used       []int32           // neurons that are active for any token, counted from the chunk's first: the rows of tile
	lanes      lanes
	words      words
	y          []float32 // [tiles, tokens, columns of a tile] outputs: tile by tile, as rows of hidden numbers would share few sets of the L1 cache

	active [MaxBlock]int32 // neurons of the whole expert, for each token
}

// factor is what a row of tile is multiplied with.
type factor struct {
	at int32   // of the row, in numbers from the start of tile
	h  float32 // gate times up product times the expert's weight
}

// output stores the outputs of so many tokens, in tiles of cols columns, in rows of y.
func (s *batch) output(y []float32, tokens, hidden, cols int) {
	for t := range tokens {
		row := y[t*hidden:][:hidden]
		for from := t * cols; len(row) > 0; from += tokens * cols {
			row = row[copy(row, s.y[from:][:cols]):]
		}
	}
}

// positive finds the active neurons of a chunk: it fills masks and byRow.
func (s *batch) positive(tokens, rows int) {
	if rows < chunkRows {
		for t := range tokens {
			clear(s.gates[t*chunkRows+rows:][:chunkRows-rows]) // of the chunk before
		}
	}
	positive(&s.masks, s.gates[:tokens*chunkRows])
	clear(s.masks[tokens:])
	s.byRow = s.masks
	transpose(&s.byRow)
}

// products multiplies the up rows of a chunk's active neurons, and lists the factors of their down rows.
func (e *Expert) products(s *batch, first, rows int, x *Input, idx []int32, weights []float32, scratch *Scratch) {
	total := int32(0)
	for t := range idx {
		s.start[t], s.end[t] = total, total
		total += int32(bits.OnesCount64(s.masks[t]))
	}
	s.used = s.used[:0]
	var at [chunkRows]int32
	for j, mask := range s.byRow[:rows] {
		if mask != 0 {
			at[j] = int32(len(s.used) * tileCols)
			s.used = append(s.used, int32(j))
		}
	}
	if e.lanes() {
		up := e.Up.rows(first, rows)
		s.lanes.multiply(&up, &s.byRow, len(idx))
		s.laneFactors(&at, weights)
		return
	}
	for _, j := range s.used {
		up := e.upRow(first+int(j), scratch)
		up.dots(x, idx, s.byRow[j], func(t int, dot float32) {
			s.factors[s.end[t]] = factor{at[j], s.gates[t*chunkRows+int(j)] * dot * weights[t]}
			s.end[t]++
		})
	}
}

// laneFactors lists the factors of down rows, which lie in the tile where at says.
func (s *batch) laneFactors(at *[chunkRows]int32, weights []float32) {
	for t, weight := range weights {
		gates, dots := s.gates[t*chunkRows:][:chunkRows], s.lanes.dots[t*chunkRows:][:chunkRows]
		factors := s.factors[s.start[t]:]
		n := 0
		for mask := s.masks[t]; mask != 0; mask &= mask - 1 {
			j := bits.TrailingZeros64(mask) & (chunkRows - 1)
			factors[n] = factor{at[j], gates[j] * dots[j] * weight}
			n++
		}
		s.end[t] += int32(n)
	}
}

// dots gives put the products of the row with the vectors of the tokens that mask names.
func (r *upRow) dots(x *Input, idx []int32, mask uint64, put func(t int, dot float32)) {
	next := func(mask *uint64) int {
		t := bits.TrailingZeros64(*mask)
		*mask &= *mask - 1
		return t
	}
	if r.typ == quant.Q4_0 {
		// Four vectors share the work of unpacking the row. One that is left of its dotBlock is multiplied alone.
		for block := uint64(1<<dotBlock - 1); block != 0; block <<= dotBlock {
			some := mask & block
			for some&(some-1) != 0 {
				var tokens [4]int
				var v [4]vector
				n := 0
				for ; n < len(tokens) && some != 0; n++ {
					tokens[n] = next(&some)
					v[n] = x.vector(int(idx[tokens[n]]))
				}
				for k := n; k < len(v); k++ {
					v[k] = v[n-1]
				}
				var dots [4]float32
				dotQ4x4(&dots, r.quants, r.scales, &v)
				for k, t := range tokens[:n] {
					put(t, dots[k])
				}
			}
			mask = mask&^block | some
		}
	}
	for mask != 0 {
		t := next(&mask)
		put(t, r.dot(x, int(idx[t])))
	}
}

// transpose makes bit j of mask i bit i of mask j (Warren, Hacker's Delight, section 7-3).
func transpose(m *[64]uint64) {
	mask := uint64(1<<32 - 1)
	for j := 32; j > 0; {
		for i := 0; i < 64; i = (i + j + 1) &^ j {
			swap := (m[i]>>j ^ m[i+j]) & mask
			m[i+j] ^= swap
			m[i] ^= swap << j
		}
		j >>= 1
		mask ^= mask << j
	}
}

// addDown adds the active neurons' down rows to the tokens' outputs, some columns at a time.
func (e *Expert) addDown(s *batch, first, tokens int) {
	hidden := e.Down.Cols
	for col := 0; col < hidden; col += tileCols {
		cols := min(tileCols, hidden-col)
		e.decodeTile(s, first, col, cols)
		addTile(s.y[col*tokens:], cols, tokens, col+tileCols <= hidden/fusedCols*fusedCols, s)
	}
}

// fusedCols is what columns come in that are added with one rounding for a product and its sum. Those after the last such piece have two.
const fusedCols = 128

// decodeTile fills row i of tile with columns [col, col + cols) of the down row of neuron used[i].
func (e *Expert) decodeTile(s *batch, first, col, cols int) {
	d := &e.Down
	size := d.Type.QuantBytes(cols)
	if d.Type == quant.Q4_0 && cols == tileCols {
		decodeRowsQ4(s.tile[:], d.Data[first*d.Stride+d.Type.QuantBytes(col):], d.Data[first*d.Stride+d.ScaleOffset+d.Type.ScaleBytes(col):], d.Stride, s.used)
		return
	}
	for i, j := range s.used {
		quants, scales := d.row(first + int(j))
		quants = quants[d.Type.QuantBytes(col):][:size]
		if scales != nil {
			scales = scales[d.Type.ScaleBytes(col):][:d.Type.ScaleBytes(cols)]
		}
		Decode(d.Type, s.tile[i*tileCols:][:cols], quants, scales)
	}
}
