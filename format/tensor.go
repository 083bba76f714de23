package format

import (
	"fmt"
	"math/bits"

	"st/quant"
)

// Layout is the way that a tensor's rows lie in its record. The values are part of the file format.
type Layout uint8

const (
	// Rows: a unit is one row, its quants and its scales.
	Rows Layout = iota
	// Groups16: a unit is a group of quant.GroupRows rows, interleaved as quant.Encoder.EncodeGroup does; a last group that is
	// not full is filled up with zero rows. Only block types are laid out so.
	Groups16
	numLayouts
)

func (l Layout) String() string {
	if l < numLayouts {
		return [...]string{"rows", "groups16"}[l]
	}
	return fmt.Sprintf("layout %d", uint8(l))
}

// Tensor is one weight matrix or vector inside a record.
//
// It consists of units (see [Layout]). Unit i begins at Offset + i·Stride, counted from the start of the record. A unit that
// is a row has its quants there and its scales, if the type has any, ScaleOffset bytes after; a group is one run of bytes. A
// stride larger than the unit leaves room for another tensor between: that is how an expert's up rows and down columns lie
// side by side.
type Tensor struct {
	// Name is the tensor's name in the checkpoint, and Role what it is for.
	Name string
	Role Role
	Type quant.Type
	// Layout of the rows.
	Layout Layout
	// Transposed: what is stored is the transpose of the checkpoint's tensor.
	Transposed bool
	// Vector: the tensor has one dimension; Rows is 1.
	Vector bool
	// Rows and Cols are the shape as stored.
	Rows, Cols                  int
	Offset, Stride, ScaleOffset int64
}

// Shape returns the shape that the tensor has in the checkpoint.
func (t *Tensor) Shape() []int {
	switch {
	case t.Vector:
		return []int{t.Cols}
	case t.Transposed:
		return []int{t.Cols, t.Rows}
	}
	return []int{t.Rows, t.Cols}
}

// UnitRows returns how many rows a unit holds.
func (t *Tensor) UnitRows() int {
	if t.Layout == Groups16 {
		return quant.GroupRows
	}
	return 1
}

// Units returns how many units the tensor has.
func (t *Tensor) Units() int { return (t.Rows + t.UnitRows() - 1) / t.UnitRows() }

// UnitBytes returns the bytes of one unit, quants and scales.
func (t *Tensor) UnitBytes() int { return t.UnitRows() * t.Type.RowBytes(t.Cols) }

// Params returns the number of weights.
func (t *Tensor) Params() int64 { return int64(t.Rows) * int64(t.Cols) }

// Bytes returns the bytes that the units take, without what lies between them.
func (t *Tensor) Bytes() int64 { return int64(t.Units()) * int64(t.UnitBytes()) }

// spans returns what unit 0 takes of the record, in two parts if its quants and scales do not lie together. It repeats at
// every stride.
func (t *Tensor) spans() [][2]int64 {
	scales := int64(t.Type.ScaleBytes(t.Cols))
	if t.Layout == Groups16 || scales == 0 {
		return [][2]int64{{t.Offset, t.Offset + int64(t.UnitBytes())}}
	}
	at := t.Offset + t.ScaleOffset
	return [][2]int64{{t.Offset, t.Offset + int64(t.Type.QuantBytes(t.Cols))}, {at, at + scales}}
}

// end returns where the last unit ends, counted from the start of the record.
func (t *Tensor) end() int64 {
	s := t.spans()
	return s[len(s)-1][1] + int64(t.Units()-1)*t.Stride
}

// row returns the quants and the scales of a row, in layout Rows. unit begins where the row's unit does.
func (t *Tensor) row(unit []byte) (quants, scales []byte) {
	quants = unit[:t.Type.QuantBytes(t.Cols)]
	if n := t.Type.ScaleBytes(t.Cols); n > 0 {
		scales = unit[t.ScaleOffset:][:n]
	}
	return quants, scales
}

// DecodeRow fills dst (Cols long) with row r as stored, given the whole record.
func (t *Tensor) DecodeRow(dst []float32, record []byte, r int) {
	from, to := t.RowSpan(r)
	t.DecodeUnitRow(dst, record[from:to], r)
}

// RowSpan tells which bytes of its record the unit with row r takes.
func (t *Tensor) RowSpan(r int) (from, to int64) {
	from = t.Offset + int64(r/t.UnitRows())*t.Stride
	if n := t.Type.ScaleBytes(t.Cols); n > 0 && t.Layout == Rows {
		return from, from + t.ScaleOffset + int64(n)
	}
	return from, from + int64(t.UnitBytes())
}

// DecodeUnitRow is DecodeRow given only the bytes that RowSpan tells.
func (t *Tensor) DecodeUnitRow(dst []float32, unit []byte, r int) {
	if t.Layout == Groups16 {
		t.Type.DecodeGroupRow(dst[:t.Cols], unit[:t.UnitBytes()], r%quant.GroupRows)
		return
	}
	quants, scales := t.row(unit)
	t.Type.Decode(dst[:t.Cols], quants, scales)
}

// EncodeUnits is the inverse of DecodeRow for several units: it stores src, which holds UnitRows rows of Cols weights for each (the
// missing ones of a last group are the caller's zeros), in units, which begins where the first of them does in its record.
// scratch is at least as long as the units are, each UnitBytes.
func (t *Tensor) EncodeUnits(units []byte, src []float32, e *quant.Encoder, scratch []byte) {
	quants, scales := scratch[:t.Type.QuantBytes(len(src))], scratch[t.Type.QuantBytes(len(src)):][:t.Type.ScaleBytes(len(src))]
	e.Encode(t.Type, quants, scales, src)
	t.StoreUnits(units, quants, scales)
}

// StoreUnits stores rows whose quants and scales lie one row after the other, UnitRows of them for each unit, in units, which begins
// where the first unit does in its record.
func (t *Tensor) StoreUnits(units, quants, scales []byte) {
	nq, ns := t.UnitRows()*t.Type.QuantBytes(t.Cols), t.UnitRows()*t.Type.ScaleBytes(t.Cols)
	for at := 0; len(quants) > 0; at += int(t.Stride) {
		if t.Layout == Groups16 {
			t.Type.PackGroup(units[at:][:t.UnitBytes()], quants[:nq], scales[:ns], t.Cols)
		} else {
			q, s := t.row(units[at:])
			copy(q, quants[:nq])
			copy(s, scales[:ns])
		}
		quants, scales = quants[nq:], scales[ns:]
	}
}

// LoadUnitRow fills quants and scales with those of row r, given the bytes that RowSpan tells.
func (t *Tensor) LoadUnitRow(quants, scales, unit []byte, r int) {
	if t.Layout == Groups16 {
		t.Type.UnpackGroupRow(quants, scales, unit[:t.UnitBytes()], t.Cols, r%quant.GroupRows)
		return
	}
	q, s := t.row(unit)
	copy(quants, q)
	copy(scales, s)
}

// CopyUnit copies a unit of another tensor of the same type, layout and width. Both slices begin where the unit does in its
// record.
func (t *Tensor) CopyUnit(unit, from []byte, other *Tensor) {
	if t.Layout == Groups16 {
		copy(unit, from[:t.UnitBytes()])
		return
	}
	quants, scales := t.row(unit)
	otherQuants, otherScales := other.row(from)
	copy(quants, otherQuants)
	copy(scales, otherScales)
}

// validate checks the tensor against the length of its record.
func (t *Tensor) validate(length int64) error {
	bad := func(what string, args ...any) error {
		return fmt.Errorf("%w: tensor %s: %s", ErrCorrupt, t.Name, fmt.Sprintf(what, args...))
	}
	switch {
	case !t.Type.Valid():
		return fmt.Errorf("%w: tensor %s has %s, unknown to this program; update st", ErrVersion, t.Name, t.Type)
	case t.Layout >= numLayouts:
		return fmt.Errorf("%w: tensor %s has %s, unknown to this program; update st", ErrVersion, t.Name, t.Layout)
	case t.Role >= numRoles:
		return fmt.Errorf("%w: tensor %s has %s, unknown to this program; update st", ErrVersion, t.Name, t.Role)
	case t.Rows < 1 || t.Cols < 1 || t.Vector && t.Rows != 1:
		return bad("shape %d×%d is impossible", t.Rows, t.Cols)
	case t.Layout == Groups16 && t.Type.Block() == 1:
		return bad("type %s cannot have layout %s", t.Type, t.Layout)
	case !t.Type.Fits(t.Cols):
		return bad("rows of %d weights cannot have type %s", t.Cols, t.Type)
	}
	// Every weight takes at least half a byte, so larger sizes cannot fit and need no further arithmetic.
	if hi, n := bits.Mul64(uint64(t.Rows), uint64(t.Cols)); hi != 0 || n > 2*uint64(length) {
		return bad("%d×%d weights do not fit in a record of %d bytes", t.Rows, t.Cols, length)
	}
	q := int64(t.Type.QuantBytes(t.Cols))
	if t.Layout == Rows && t.Type.ScaleBytes(t.Cols) > 0 && (t.ScaleOffset < q || t.ScaleOffset > length) {
		return bad("scale offset %d is out of range", t.ScaleOffset)
	}
	spans := t.spans()
	first := spans[len(spans)-1][1] - t.Offset // end of unit 0, from its start
	if t.Offset < 0 || t.Offset > length || first > length-t.Offset {
		return bad("it reaches outside its record")
	}
	if n := int64(t.Units()); n > 1 && (t.Stride < int64(t.UnitBytes()) || t.Stride > (length-t.Offset-first)/(n-1)) {
		return bad("stride %d is out of range", t.Stride)
	}
	return nil
}
