package kernel

import (
	"math"

	"st/quant"
)

const (
	// chunkRows is the number of neurons that Batch takes at a time, and tileCols the number of their down rows' columns: so
	// many decoded weights fit in the L1 cache, and a token's columns of y in registers.
	chunkRows = 32
	tileCols  = 128
	// MaxBlock is the largest number of tokens that Batch takes: their rows of y fit in the L2 cache.
	MaxBlock = 32
)

// Batch computes the expert for up to MaxBlock tokens, which share the work of unpacking its weights: row i of y [len(idx),
// hidden] becomes weights[i] times its output for vector idx[i] of the input. It returns how many neurons were active for each
// vector; the slice is valid until scratch is used again.
func (e *Expert) Batch(y []float32, x *Input, idx []int32, weights []float32, scratch *Scratch) (active []int32) {
	if len(idx) == 0 {
		return nil
	}
	y = y[:len(idx)*e.Down.Cols]
	clear(y)
	s := scratch.batch()
	active = s.active[:len(idx)]
	clear(active)
	n := e.Gate.UnitRows()
	for from := 0; from < e.Gate.Units(); from += chunkRows / n {
		units := min(chunkRows/n, e.Gate.Units()-from)
		chunk := e.Gate.rows(from*n, units*n) // its rows land at the start of gates
		Mul(s.gates[:], chunkRows, &chunk, 0, units, x, idx, scratch)
		e.products(s, from*n, chunk.Rows, x, idx, weights, scratch)
		for t := range active {
			active[t] += int32(s.count[t])
		}
		e.addDown(s, y, from*n, len(idx))
	}
	return active
}

// batch is the working memory of Batch. What is meant for one token is at [token·chunkRows].
type batch struct {
	gates [MaxBlock * chunkRows]float32
	// The active neurons of each token, as rows of tile, and their gates times up products.
	count [MaxBlock]int
	rows  [MaxBlock * chunkRows]int32
	h     [MaxBlock * chunkRows]float32
	used  []int32                       // neurons that are active for any token, counted from the chunk's first
	tile  [chunkRows * tileCols]float32 // some columns of their down rows
	some  [MaxBlock]int32               // tokens for which a neuron is active

	active [MaxBlock]int32 // neurons of the whole expert, for each token
}

// products finds the active neurons of a chunk, and multiplies their up rows.
func (e *Expert) products(s *batch, first, rows int, x *Input, idx []int32, weights []float32, scratch *Scratch) {
	clear(s.count[:len(idx)])
	s.used = s.used[:0]
	for j := range rows {
		some := s.some[:positive(&s.some, s.gates[j:], len(idx))]
		if len(some) == 0 {
			continue
		}
		row := int32(len(s.used))
		s.used = append(s.used, int32(j))
		up := e.upRow(first+j, scratch)
		put := func(t int32, dot float32) {
			at := int(t)*chunkRows + s.count[t]
			s.rows[at] = row
			s.h[at] = s.gates[int(t)*chunkRows+j] * dot * weights[t]
			s.count[t]++
		}
		if up.typ == quant.Q4_0 {
			// Four vectors at a time share the work of unpacking the row; two or three are filled up.
			for len(some) > 1 {
				var v [4]vector
				var dots [4]float32
				n := min(4, len(some))
				for k := range v {
					v[k] = x.vector(int(idx[some[min(k, n-1)]]))
				}
				dotQ4x4(&dots, up.quants, up.scales, &v)
				for k, t := range some[:n] {
					put(t, dots[k])
				}
				some = some[n:]
			}
		}
		for _, t := range some {
			put(t, up.dot(x, int(idx[t])))
		}
	}
}

// positive stores in some which of n gates are positive, at a distance of chunkRows, and returns how many. There is no branch
// on a gate, which nobody can predict.
func positive(some *[MaxBlock]int32, gates []float32, n int) (found int) {
	for t := range n {
		some[found&(MaxBlock-1)] = int32(t)
		// The bits of positive numbers are 1 to those of +Inf; the subtraction wraps around for all others.
		c := math.Float32bits(gates[t*chunkRows]) - 1
		found += int((uint64(c) - 0x7f800000) >> 63)
	}
	return found
}

// checkRows panics if tileCols columns of a row are beyond what decodeRowsQ4 was given.
func checkRows(quants, scales []byte, stride int, rows []int32) {
	if len(rows) == 0 {
		return
	}
	var last uint32 // no row is negative
	for _, r := range rows {
		last = max(last, uint32(r))
	}
	_ = quants[int(last)*stride:][:tileCols/2]
	_ = scales[int(last)*stride:][:tileCols/16]
}

// addDown adds the active neurons' down rows to the tokens' rows of y, some columns at a time.
func (e *Expert) addDown(s *batch, y []float32, first, tokens int) {
	hidden := e.Down.Cols
	for col := 0; col < hidden; col += tileCols {
		cols := min(tileCols, hidden-col)
		e.decodeTile(s, first, col, cols)
		addTile(y[col:], hidden, cols, tokens, s)
	}
}

// decodeTile fills row i of tile [used, cols] with columns [col, col + cols) of the down row of neuron used[i].
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
		Decode(d.Type, s.tile[i*cols:][:cols], quants, scales)
	}
}
