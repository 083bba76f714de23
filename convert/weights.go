package convert

import (
	"st/convert/checkpoint"
	"st/format"
	"st/quant"
)

// weights is where a plan's tensors come from: a checkpoint, or an .stm file.
type weights interface {
	lookup(name string) (tensor, bool)
	all() []tensor
	// where names the source in errors, and config what in it gives the model's shape.
	where() string
	config() string
}

// tensor is one of them, under its name in the checkpoint.
type tensor interface {
	Name() string
	File() string
	// Shape is the checkpoint's. Rows and Cols are those that Read gives, of the transpose if Transposed is true.
	Shape() []int
	Rows() int
	Cols() int
	Transposed() bool
	Bytes() int64
	// Read decodes rows [row, row+n) into dst. buf belongs to the goroutine.
	Read(dst []float32, row, n int, buf *recordBuffer) error
}

// recordBuffer keeps the record that was read last: tensors of one record are read one after the other.
type recordBuffer struct {
	record *format.Record
	data   []byte
	unit   []byte
}

// checkpointWeights are a checkpoint's.
type checkpointWeights struct {
	*checkpoint.Checkpoint
	dir, configPath string
}

func (w checkpointWeights) where() string  { return w.dir }
func (w checkpointWeights) config() string { return w.configPath }

func (w checkpointWeights) lookup(name string) (tensor, bool) {
	t, ok := w.Lookup(name)
	return checkpointTensor{t}, ok
}

func (w checkpointWeights) all() []tensor {
	var all []tensor
	for _, t := range w.Tensors() {
		all = append(all, checkpointTensor{t})
	}
	return all
}

type checkpointTensor struct{ t *checkpoint.Tensor }

func (c checkpointTensor) Name() string     { return c.t.Name }
func (c checkpointTensor) File() string     { return c.t.File }
func (c checkpointTensor) Shape() []int     { return c.t.Shape }
func (c checkpointTensor) Rows() int        { return c.t.Rows() }
func (c checkpointTensor) Cols() int        { return c.t.Cols() }
func (c checkpointTensor) Transposed() bool { return false }
func (c checkpointTensor) Bytes() int64     { return c.t.Bytes() }

func (c checkpointTensor) Read(dst []float32, row, n int, _ *recordBuffer) error {
	return c.t.ReadRows(dst, row, n)
}

// modelWeights are an .stm file's.
type modelWeights struct{ *format.Reader }

func (w modelWeights) where() string  { return w.Path() }
func (w modelWeights) config() string { return w.Path() }

func (w modelWeights) lookup(name string) (tensor, bool) {
	r, t, ok := w.Lookup(name)
	return modelTensor{w.Reader, r, t}, ok
}

func (w modelWeights) all() []tensor {
	var all []tensor
	for i := range w.Records() {
		r := &w.Records()[i]
		for j := range r.Tensors {
			all = append(all, modelTensor{w.Reader, r, &r.Tensors[j]})
		}
	}
	return all
}

type modelTensor struct {
	reader *format.Reader
	record *format.Record
	t      *format.Tensor
}

func (m modelTensor) Name() string     { return m.t.Name }
func (m modelTensor) File() string     { return m.reader.Path() }
func (m modelTensor) Shape() []int     { return m.t.Shape() }
func (m modelTensor) Rows() int        { return m.t.Rows }
func (m modelTensor) Cols() int        { return m.t.Cols }
func (m modelTensor) Transposed() bool { return m.t.Transposed }
func (m modelTensor) Bytes() int64     { return m.t.Bytes() }
func (m modelTensor) typ() quant.Type  { return m.t.Type }

// isType reports whether a tensor is known to be stored in a type.
func isType(t tensor, typ quant.Type) bool {
	m, ok := t.(modelTensor)
	return ok && m.typ() == typ
}

// sameUnits reports whether the units are what they are in t.
func (m modelTensor) sameUnits(t *format.Tensor) bool {
	return m.t.Type == t.Type && m.t.Layout == t.Layout && m.t.Transposed == t.Transposed && m.t.Rows == t.Rows && m.t.Cols == t.Cols
}

func (m modelTensor) Read(dst []float32, row, n int, buf *recordBuffer) error {
	cols := m.t.Cols
	return m.units(row/m.t.UnitRows(), (row+n-1)/m.t.UnitRows()+1, buf, func(u int, unit []byte) {
		for r := max(row, u*m.t.UnitRows()); r < min(row+n, (u+1)*m.t.UnitRows()); r++ {
			m.t.DecodeUnitRow(dst[(r-row)*cols:][:cols], unit, r)
		}
	})
}

// units calls each with the bytes of units [from, to). An expert's record is read as a whole and checked; a dense one, which may
// be large, in pieces: it is checked apart from that.
func (m modelTensor) units(from, to int, buf *recordBuffer, each func(u int, unit []byte)) error {
	first, _ := m.t.RowSpan(from * m.t.UnitRows())
	_, last := m.t.RowSpan((to - 1) * m.t.UnitRows())
	var data []byte
	if m.record.IsExpert() {
		if buf.record != m.record {
			buf.record = nil
			if err := m.reader.ReadRecord(m.record, grow(&buf.data, int(m.record.Length))); err != nil {
				return err
			}
			buf.record = m.record
		}
		data = buf.data[first:last]
	} else {
		data = grow(&buf.unit, int(last-first))
		if err := m.reader.ReadPart(nil, m.record, data, m.record.Offset+first); err != nil {
			return err
		}
	}
	for u := from; u < to; u++ {
		a, b := m.t.RowSpan(u * m.t.UnitRows())
		each(u, data[a-first:b-first])
	}
	return nil
}
