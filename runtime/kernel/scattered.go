package kernel

import (
	"unsafe"

	"st/quant"
)

// Scattered is a matrix whose rows lie one after the other, so that few of them can be multiplied: in a group of sixteen interleaved rows every
// cache line has a piece of each. [Scattered.Mul] puts the rows that it is given together as groups, in the first-level cache, and multiplies
// those: a product has the bits that it has in [MulEach] of the matrix itself.
type Scattered struct {
	w      Matrix
	data   []byte // of a Grouped matrix: its rows
	stride int
}

// scatteredRows is how many rows are multiplied together: two groups, which the kernels take at once.
const scatteredRows = 2 * quant.GroupRows

// ScatteredBytes returns the memory that the rows of a matrix take; 0: the matrix holds them as rows already.
func ScatteredBytes(w *Matrix) int {
	if !w.Grouped {
		return 0
	}
	return w.Units() * quant.GroupRows * scatteredStride(w)
}

func scatteredStride(w *Matrix) int { return w.Type.QuantBytes(w.Cols) + w.Type.ScaleBytes(w.Cols) }

// NewScattered returns the rows of w in memory of [ScatteredBytes], which [Scattered.Fill] is to fill.
func NewScattered(w *Matrix, data []byte) *Scattered {
	return &Scattered{w: *w, data: data[:ScatteredBytes(w)], stride: scatteredStride(w)}
}

// Fill copies the rows of units [from, to).
func (s *Scattered) Fill(from, to int) {
	if !s.w.Grouped {
		return
	}
	quants := s.w.Type.QuantBytes(s.w.Cols)
	for u := from; u < to; u++ {
		group := s.w.group(u)
		for r := range quant.GroupRows {
			row := s.data[(u*quant.GroupRows+r)*s.stride:][:s.stride]
			s.w.Type.UnpackGroupRow(row[:quants], row[quants:], group, s.w.Cols, r)
		}
	}
}

// RowBytes returns the bytes of a row.
func (s *Scattered) RowBytes() int { return s.stride }

// Mul computes dst[t·stride + r] for each r of rows and vector idx[t] of x: row r times the vector, with the bits that it has alone. scratch is for
// the caller's thread alone.
func (s *Scattered) Mul(dst []float32, stride int, rows []int32, x *Input, idx []int32, scratch *Scratch) {
	if !s.w.Grouped {
		for i, r := range rows {
			if i+1 < len(rows) {
				s.w.prefetch(int(rows[i+1]))
			}
			MulEach(dst, stride, &s.w, int(r), int(r)+1, x, idx, scratch)
		}
		return
	}
	size := s.w.Type.GroupBytes(s.w.Cols)
	tile := Matrix{Type: s.w.Type, Grouped: true, Rows: scatteredRows, Cols: s.w.Cols, Data: grow(&scratch.tile, 2*size), Stride: size}
	out := grow(&scratch.products, len(idx)*scatteredRows)
	var from [quant.GroupRows][]byte
	for len(rows) > 0 {
		n := min(scatteredRows, len(rows))
		for _, r := range rows[n:min(2*n, len(rows))] {
			prefetch(s.row(r))
		}
		groups := (n + quant.GroupRows - 1) / quant.GroupRows
		for g := range groups {
			for i := range from { // those that are missing in the last group repeat its last one
				from[i] = s.row(rows[min(g*quant.GroupRows+i, n-1)])
			}
			interleave(tile.Data[g*size:][:size], &from, s.w.Type, s.w.Cols)
		}
		MulEach(out, scatteredRows, &tile, 0, groups, x, idx, scratch)
		for t := range idx {
			for i, r := range rows[:n] {
				dst[t*stride+int(r)] = out[t*scatteredRows+i]
			}
		}
		rows = rows[n:]
	}
}

func (s *Scattered) row(r int32) []byte { return s.data[int(r)*s.stride:][:s.stride] }

// interleave makes a group of sixteen rows, which have their scales after their quants: see [quant.Encoder.EncodeGroup].
func interleave(group []byte, rows *[quant.GroupRows][]byte, t quant.Type, cols int) {
	blocks, quants, bytes := cols/quant.BlockSize, t.QuantBytes(cols), t.QuantBytes(quant.BlockSize)
	var at [quant.GroupRows]unsafe.Pointer
	for r, row := range rows {
		at[r] = unsafe.Pointer(unsafe.SliceData(row[:quants+2*blocks]))
	}
	for b := range blocks {
		scales, tile := t.GroupBlock(group, b, blocks)
		scales = scales[:2*quant.GroupRows]
		for r, p := range &at {
			le.PutUint16(scales[2*r:], *(*uint16)(unsafe.Add(p, quants+2*b)))
		}
		for g := range bytes / 4 {
			line := (*[quant.GroupRows / 2]uint64)(unsafe.Pointer(unsafe.SliceData(tile[g*64:][:64])))
			from := b*bytes + 4*g
			for r := range line {
				low, high := *(*uint32)(unsafe.Add(at[2*r], from)), *(*uint32)(unsafe.Add(at[2*r+1], from))
				line[r] = uint64(low) | uint64(high)<<32
			}
		}
	}
}
