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
	var from, ahead [quant.GroupRows]*byte
	for len(rows) > 0 {
		n := min(scatteredRows, len(rows))
		groups := (n + quant.GroupRows - 1) / quant.GroupRows
		for g := range groups {
			for i := range from { // those that are missing in the last group repeat its last one
				at := g*quant.GroupRows + i
				from[i] = s.row(rows[min(at, n-1)])
				ahead[i] = s.row(rows[min(at+scatteredRows, len(rows)-1)])
			}
			interleave(tile.Data[g*size:][:size], &from, &ahead, s.w.Type, s.w.Cols)
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

// row returns where row r begins. All of its bytes are there.
func (s *Scattered) row(r int32) *byte { return &s.data[int(r)*s.stride:][:s.stride][0] }

// interleaveGeneric makes a group of sixteen rows, which have their scales after their quants: see [quant.Encoder.EncodeGroup]. The blocks before
// the first are there already.
func interleaveGeneric(group []byte, rows *[quant.GroupRows]*byte, t quant.Type, cols, first int) {
	blocks, quants, bytes := cols/quant.BlockSize, t.QuantBytes(cols), t.QuantBytes(quant.BlockSize)
	for b := first; b < blocks; b++ {
		scales, tile := t.GroupBlock(group, b, blocks)
		scales = scales[:2*quant.GroupRows]
		for r, row := range rows {
			le.PutUint16(scales[2*r:], *(*uint16)(unsafe.Add(unsafe.Pointer(row), quants+2*b)))
		}
		for g := range bytes / 4 {
			line := (*[quant.GroupRows / 2]uint64)(unsafe.Pointer(unsafe.SliceData(tile[g*64:][:64])))
			from := b*bytes + 4*g
			for r := range line {
				low, high := unsafe.Add(unsafe.Pointer(rows[2*r]), from), unsafe.Add(unsafe.Pointer(rows[2*r+1]), from)
				line[r] = uint64(*(*uint32)(low)) | uint64(*(*uint32)(high))<<32
			}
		}
	}
}
