package convert

import (
	"fmt"
	"math"
	"sync/atomic"

	"st/format"
	"st/quant"
)

// encoder reads, checks and quantizes weights for one goroutine, with buffers of its own.
type encoder struct {
	allowNonfinite bool
	nonfinite      *atomic.Int64 // weights that were NaN or infinite
	read           func(bytes int64)

	quant      quant.Encoder
	statistics *statistics
	layer      int     // of the record that is being encoded
	losses     *losses // nil: nobody asks
	buf        readBuffer

	rows       []float32 // rows as read
	transposed []float32 // a whole matrix, transposed
	group      []float32 // the last units' rows, the missing ones zero
	scratch    []byte
}

// readWeights is the number of weights that are read at once.
const readWeights = 256 << 10

// tensor encodes units [from, to) of a record's tensor into out, which begins at unit from: all of them if it is to be transposed.
func (e *encoder) tensor(out []byte, r *format.Record, t *format.Tensor, src tensor, from, to int) error {
	e.layer = r.Layer
	if b, ok := src.(blocks); ok && src.Transposed() == t.Transposed {
		if typ, known := src.Type(); known && typ == t.Type && (b.checked() || typ.Block() > 1) {
			return e.copy(out, t, b, from, to)
		}
	}
	if err := e.statistics.set(&e.quant, r, t); err != nil {
		return err
	}
	if t.Transposed != src.Transposed() {
		return e.transpose(out, t, src)
	}
	return e.units(out, t, src, from, to)
}

// copy takes over units whose rows are already as they should be.
func (e *encoder) copy(out []byte, t *format.Tensor, src blocks, from, to int) error {
	if e.read != nil {
		e.read(int64(to-from) * int64(t.UnitBytes()))
	}
	nq, ns, n := t.Type.QuantBytes(t.Cols), t.Type.ScaleBytes(t.Cols), t.UnitRows()
	for u := from; u < to; u += unitsAtOnce {
		last := min(u+unitsAtOnce, to)
		rows := min(last*n, t.Rows) - u*n
		buf := grow(&e.scratch, (last-u)*n*(nq+ns))
		quants, scales := buf[:(last-u)*n*nq], buf[(last-u)*n*nq:]
		if missing := (last-u)*n - rows; missing > 0 { // of a last group: they are zero
			zero := grow(&e.group, missing*t.Cols)
			clear(zero)
			t.Type.Encode(quants[rows*nq:], scales[rows*ns:], zero)
		}
		if err := src.ReadBlocks(quants[:rows*nq], scales[:rows*ns], u*n, rows, &e.buf); err != nil {
			return err
		}
		if !src.checked() {
			if err := e.checkScales(scales[:rows*ns], src, u*n, ns); err != nil {
				return err
			}
		}
		t.StoreUnits(out[int64(u-from)*t.Stride:], quants, scales)
	}
	return nil
}

// checkScales looks for scales that are not finite: quants are. A row has size bytes of them.
func (e *encoder) checkScales(scales []byte, src tensor, row, size int) error {
	for i := 0; i < len(scales); i += 2 {
		if scales[i+1]&0x7c != 0x7c { // the exponent is not all ones
			continue
		}
		if !e.allowNonfinite {
			return fmt.Errorf("%s: tensor %s has a block with the scale %v, which makes %w of it, at [%d, %d]: the source is damaged", src.File(), src.Name(),
				quant.HalfToFloat(uint16(scales[i])|uint16(scales[i+1])<<8), ErrNonFinite, row+i/size, i%size/2*quant.BlockSize)
		}
		e.nonfinite.Add(quant.BlockSize)
	}
	return nil
}

// units encodes units [from, to) of a tensor whose rows are the source's rows into out, which begins at unit from.
func (e *encoder) units(out []byte, t *format.Tensor, src tensor, from, to int) error {
	n := t.UnitRows()
	atOnce := max(1, readWeights/(t.Cols*n)) // units
	for u := from; u < to; u += atOnce {
		last := min(u+atOnce, to)
		rows := min(last*n, t.Rows) - u*n
		buf := grow(&e.rows, rows*t.Cols)
		if err := e.load(buf, t, src, u*n, rows); err != nil {
			return err
		}
		e.encode(out[int64(u-from)*t.Stride:], t, buf)
	}
	return nil
}

// unitsAtOnce is the number of units that are encoded in one go.
const unitsAtOnce = 16

// encode encodes rows into units, the first of which begins at out[0]. A last group that is not full is filled up with zeros.
func (e *encoder) encode(out []byte, t *format.Tensor, rows []float32) {
	unit := t.UnitRows() * t.Cols
	for u := 0; len(rows) > 0; u += unitsAtOnce {
		part := rows[:min(unitsAtOnce*unit, len(rows))]
		rows = rows[len(part):]
		given := len(part)
		if n := (len(part) + unit - 1) / unit * unit; n > len(part) {
			group := grow(&e.group, n)
			clear(group[copy(group, part):])
			part = group
		}
		units := out[int64(u)*t.Stride:]
		t.EncodeUnits(units, part, &e.quant, grow(&e.scratch, unitsAtOnce*t.UnitBytes()))
		e.losses.add(t, e.layer, units, part[:given])
	}
}

// transpose encodes a tensor that is stored transposed: all of it, since every row of the source touches every unit.
func (e *encoder) transpose(out []byte, t *format.Tensor, src tensor) error {
	all := grow(&e.transposed, t.Rows*t.Cols)
	atOnce := max(1, readWeights/src.Cols())
	for r := 0; r < src.Rows(); r += atOnce {
		n := min(atOnce, src.Rows()-r)
		buf := grow(&e.rows, n*src.Cols())
		if err := e.load(buf, t, src, r, n); err != nil {
			return err
		}
		transpose(all[r:], buf, n, src.Cols(), t.Cols)
	}
	e.encode(out, t, all)
	return nil
}

// transpose stores src [rows, cols] in dst as columns: dst[c·stride + r]. It goes in squares that stay in the cache.
func transpose(dst, src []float32, rows, cols, stride int) {
	const square = 32
	for r0 := 0; r0 < rows; r0 += square {
		for c0 := 0; c0 < cols; c0 += square {
			for c := c0; c < min(c0+square, cols); c++ {
				column := dst[c*stride:]
				for r := r0; r < min(r0+square, rows); r++ {
					column[r] = src[r*cols+c]
				}
			}
		}
	}
}

// load reads rows [row, row+n) of a source tensor and checks that t's type can hold them.
func (e *encoder) load(dst []float32, t *format.Tensor, src tensor, row, n int) error {
	if err := src.Read(dst, row, n, &e.buf); err != nil {
		return err
	}
	if e.read != nil && src.Rows() > 0 {
		e.read(src.Bytes() / int64(src.Rows()) * int64(n))
	}
	limit := t.Type.Max()
	if quant.Largest(dst) <= math.Float32bits(limit) {
		return nil
	}
	for i, v := range dst {
		finite := !(v != v) && !math.IsInf(float64(v), 0)
		switch {
		case finite && float32(math.Abs(float64(v))) <= limit:
		case !finite && e.allowNonfinite:
			e.nonfinite.Add(1)
		case !finite:
			return fmt.Errorf("%s: tensor %s has %w, %v, at [%d, %d]: the source is damaged",
				src.File(), src.Name(), ErrNonFinite, v, row+i/src.Cols(), i%src.Cols())
		default:
			return fmt.Errorf("%s: tensor %s has %w, %g, at [%d, %d], too large for %s: choose bf16 or f32",
				src.File(), src.Name(), ErrTooLarge, v, row+i/src.Cols(), i%src.Cols(), t.Type)
		}
	}
	return nil
}

func grow[T any](b *[]T, n int) []T {
	if cap(*b) < n {
		*b = make([]T, n)
	}
	return (*b)[:n]
}

// tensors encodes a whole record.
func (e *encoder) tensors(out []byte, r *format.Record, src []tensor) error {
	clear(out)
	for i := range r.Tensors {
		t := &r.Tensors[i]
		if err := e.tensor(out[t.Offset:], r, t, src[i], 0, t.Units()); err != nil {
			return err
		}
	}
	return nil
}

// encoderMemory estimates what an encoder's buffers take for a record, besides its output.
func encoderMemory(r *format.Record, sources []tensor) int64 {
	n := int64(2 * readWeights * 4)
	for i := range r.Tensors {
		t := &r.Tensors[i]
		n = max(n, int64(2*t.UnitRows()*t.Cols*4)) + unitsAtOnce*int64(t.UnitBytes())
		if t.Transposed != sources[i].Transposed() {
			n = max(n, t.Params()*4+readWeights*4)
		}
	}
	return n
}
