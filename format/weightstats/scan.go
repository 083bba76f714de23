package weightstats

import (
	"math"

	"st/format"
	"st/quant"
)

// scanner measures matrices, one after the other. Its buffers are used again and again.
type scanner struct {
	stats  Stats
	tensor *format.Tensor
	sketch *sketch
	matrix int // number of the matrix in the sketch
	blocks int // of a row; the last one may be short
	rows   []rowStats

	quants, scales []byte    // of the rows of a group
	d              []float64 // scales of a row
	row            []float32 // decoded
}

type rowStats struct {
	bound   float32 // no weight is larger
	nonzero bool
}

// scan measures a tensor, given its record, and adds it to a sketch as its matrix of that number.
func (s *scanner) scan(t *format.Tensor, record []byte, sk *sketch, matrix int) Stats {
	s.stats, s.tensor, s.sketch, s.matrix = Stats{Weights: t.Params()}, t, sk, matrix
	s.blocks = (t.Cols + quant.BlockSize - 1) / quant.BlockSize
	s.rows = resized(s.rows, t.Rows)
	s.row = resized(s.row, t.Cols)
	s.d = resized(s.d, s.blocks)
	for r := range t.Rows {
		if t.Type.Block() == 1 {
			t.DecodeRow(s.row, record, r)
			s.floats(r)
			continue
		}
		quants, scales := s.blockRow(record, r)
		s.blockSums(r, quants, scales)
	}
	sk.blocks += t.Rows * s.blocks
	s.finish(record)
	return s.stats
}

// resized returns a slice of n, in the place of an old one if that is large enough.
func resized[T any](old []T, n int) []T {
	if cap(old) < n {
		return make([]T, n)
	}
	return old[:n]
}

// blockRow returns the quants and the scales of a row of a block type. Rows are asked for in order.
func (s *scanner) blockRow(record []byte, row int) (quants, scales []byte) {
	t := s.tensor
	from, to := t.RowSpan(row)
	unit := record[from:to]
	nq, ns := t.Type.QuantBytes(t.Cols), t.Type.ScaleBytes(t.Cols)
	if t.Layout == format.Rows {
		return unit[:nq], unit[t.ScaleOffset:]
	}
	r := row % quant.GroupRows
	if r == 0 {
		s.ungroup(unit, nq, ns)
	}
	return s.quants[r*nq:], s.scales[r*ns:]
}

// ungroup lays the rows of a group one after the other.
func (s *scanner) ungroup(group []byte, nq, ns int) {
	s.quants, s.scales = resized(s.quants, quant.GroupRows*nq), resized(s.scales, quant.GroupRows*ns)
	size := nq / s.blocks
	for b := range s.blocks {
		scales, quants := s.tensor.Type.GroupBlock(group, b, s.blocks)
		for r, at := 0, 2*b; r < quant.GroupRows; r, at = r+1, at+ns {
			le.PutUint16(s.scales[at:], le.Uint16(scales[2*r:]))
		}
		for i := 0; i < size; i += 8 {
			words := (*[128]byte)(quants[quant.GroupRows*i:]) // two of every row
			for r, at := 0, b*size+i; r < quant.GroupRows; r, at = r+1, at+nq {
				le.PutUint64(s.quants[at:], uint64(le.Uint32(words[4*r:]))|uint64(le.Uint32(words[64+4*r:]))<<32)
			}
		}
	}
}

// blockSums adds a row of a block type.
func (s *scanner) blockSums(row int, quants, scales []byte) {
	s.readScales(row, scales)
	sign, first := rowSigns(s.matrix, row), s.sketch.place(row, s.blocks)
	buckets, total := &s.sketch.buckets, 0.
	if s.tensor.Type == quant.Q4_0 {
		for b, d := range s.d {
			q := (*[16]byte)(quants[16*b:])
			squares, sum := measureQ4(le.Uint64(q[:]), le.Uint64(q[8:]), sign.next())
			total += d * d * float64(squares)
			buckets[uint(first+b)%SketchSize] += d * float64(sum)
		}
	} else {
		for b, d := range s.d {
			squares, sum := measureQ8((*[32]byte)(quants[32*b:]), sign.next())
			total += d * d * float64(squares)
			buckets[uint(first+b)%SketchSize] += d * float64(sum)
		}
	}
	s.stats.SumSquares += total
	s.rows[row].nonzero = s.rows[row].nonzero || total > 0
}

// readScales decodes the scales of a row, of which those that are not finite become 0, and begins the row's statistics with them.
func (s *scanner) readScales(row int, scales []byte) {
	const infinite = 0x7c00 // exponent of infinities and NaNs
	// The bits of magnitudes are ordered as the numbers are. least is negated, so that 0 is the largest.
	var least, most uint16
	r := rowStats{}
	for b := range s.d {
		h := le.Uint16(scales[2*b:])
		magnitude := h &^ (1 << 15)
		if magnitude >= infinite {
			s.stats.NonFinite += quant.BlockSize
			r.nonzero = true
			s.d[b] = 0
			continue
		}
		least, most = max(least, -magnitude), max(most, magnitude)
		s.d[b] = float64(quant.HalfToFloat(h))
	}
	s.stats.addScale(quant.HalfToFloat(-least))
	s.stats.addScale(quant.HalfToFloat(most))
	r.bound = quant.HalfToFloat(most) * 128
	if s.tensor.Type == quant.Q4_0 {
		r.bound = quant.HalfToFloat(most) * 8
	}
	s.rows[row] = r
}

// floats adds the row of numbers that was decoded.
func (s *scanner) floats(row int) {
	sign, first := rowSigns(s.matrix, row), s.sketch.place(row, s.blocks)
	r := rowStats{}
	for b := range s.blocks {
		var last [quant.BlockSize]float32
		block := &last
		if rest := s.row[b*quant.BlockSize:]; len(rest) >= quant.BlockSize {
			block = (*[quant.BlockSize]float32)(rest)
		} else {
			copy(last[:], rest)
		}
		bits := sign.next()
		squares, sum, top := measureFloats(block, bits)
		if !(top <= math.MaxFloat32) {
			r.nonzero = true
			s.stats.NonFinite += removeNonFinite(block)
			squares, sum, top = measureFloats(block, bits)
		}
		s.stats.SumSquares += squares
		r.nonzero = r.nonzero || top > 0
		r.bound = max(r.bound, top)
		s.sketch.buckets[uint(first+b)%SketchSize] += sum
	}
	s.rows[row] = r
}

// removeNonFinite makes what is not finite zero, and returns how many weights that were.
func removeNonFinite(block *[quant.BlockSize]float32) (n int64) {
	for i, w := range block {
		if !(w >= -math.MaxFloat32 && w <= math.MaxFloat32) {
			block[i] = 0
			n++
		}
	}
	return n
}

// finish computes what can be told only when the RMS is known. Rows that may have the largest weight or outliers are few, and decoded once
// more.
func (s *scanner) finish(record []byte) {
	highest := 0
	for r := range s.rows {
		if !s.rows[r].nonzero {
			s.stats.ZeroRows++
		}
		if s.rows[r].bound > s.rows[highest].bound {
			highest = r
		}
	}
	rms := s.stats.RMS()
	limit := OutlierSigma * rms
	s.stats.MaxAbs, _ = s.above(record, highest, limit)
	for r := range s.rows {
		if bound := s.rows[r].bound; float64(bound) > limit || bound > s.stats.MaxAbs {
			top, n := s.above(record, r, limit)
			s.stats.MaxAbs = max(s.stats.MaxAbs, top)
			s.stats.Outliers += n
		}
	}
	if rms > 0 {
		s.stats.Peak = float64(s.stats.MaxAbs) / rms
	}
}

// above returns the largest finite |w| of a row, and how many exceed a limit.
func (s *scanner) above(record []byte, row int, limit float64) (top float32, n int64) {
	s.tensor.DecodeRow(s.row, record, row)
	for _, w := range s.row {
		a := math.Float32frombits(math.Float32bits(w) &^ (1 << 31))
		if !(a <= math.MaxFloat32) {
			continue
		}
		top = max(top, a)
		if float64(a) > limit {
			n++
		}
	}
	return top, n
}
