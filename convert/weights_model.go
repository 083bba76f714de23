package convert

import (
	"st/format"
	"st/quant"
)

// modelWeights are an .stm file's.
type modelWeights struct {
	*format.Reader
	arch  *architecture
	asked map[*format.Tensor]bool
}

func newModelWeights(r *format.Reader) (*modelWeights, error) {
	a, err := architectureOf(&r.Config)
	return &modelWeights{r, a, map[*format.Tensor]bool{}}, err
}

func (w *modelWeights) where() string       { return w.Path() }
func (w *modelWeights) config() string      { return w.Path() }
func (w *modelWeights) nameOf(k key) string { return w.arch.tensorName(k) }

func (w *modelWeights) lookup(k key) (tensor, bool) {
	rec, t, _ := w.Role(k.role, k.layer)
	if k.expert >= 0 {
		var ok bool
		if rec, ok = w.Expert(k.layer, k.expert); ok {
			t = rec.Tensor(k.role)
		}
	}
	if t == nil {
		return nil, false
	}
	w.asked[t] = true
	return modelTensor{w.Reader, rec, t}, true
}

func (w *modelWeights) unknown(c *format.Config) tensor {
	for i := range w.Records() {
		r := &w.Records()[i]
		for j := range r.Tensors {
			if t := &r.Tensors[j]; !w.asked[t] && !(c.TiedEmbeddings && t.Role == format.RoleHead) && !(c.HeadPredictorRank == 0 && t.Role.HeadPredictor()) {
				return modelTensor{w.Reader, r, t}
			}
		}
	}
	return nil
}

type modelTensor struct {
	reader *format.Reader
	record *format.Record
	t      *format.Tensor
}

func (m modelTensor) Name() string                  { return m.t.Name }
func (m modelTensor) File() string                  { return m.reader.Path() }
func (m modelTensor) Shape() []int                  { return m.t.Shape() }
func (m modelTensor) Rows() int                     { return m.t.Rows }
func (m modelTensor) Cols() int                     { return m.t.Cols }
func (m modelTensor) Transposed() bool              { return m.t.Transposed }
func (m modelTensor) spans(int, int) ([]span, bool) { return nil, false }
func (m modelTensor) Bytes() int64                  { return m.t.Bytes() }
func (m modelTensor) Type() (quant.Type, bool)      { return m.t.Type, true }

// checked: weights are looked at when a file is made.
func (m modelTensor) checked() bool { return true }

func (m modelTensor) Read(dst []float32, row, n int, buf *readBuffer) error {
	cols := m.t.Cols
	return m.eachRow(row, n, buf, func(r int, unit []byte) {
		m.t.DecodeUnitRow(dst[(r-row)*cols:][:cols], unit, r)
	})
}

func (m modelTensor) ReadBlocks(quants, scales []byte, row, n int, buf *readBuffer) error {
	nq, ns := m.t.Type.QuantBytes(m.t.Cols), m.t.Type.ScaleBytes(m.t.Cols)
	return m.eachRow(row, n, buf, func(r int, unit []byte) {
		m.t.LoadUnitRow(quants[(r-row)*nq:][:nq], scales[(r-row)*ns:][:ns], unit, r)
	})
}

// eachRow calls each with the unit that holds a row, for rows [row, row+n).
func (m modelTensor) eachRow(row, n int, buf *readBuffer, each func(r int, unit []byte)) error {
	return m.units(row/m.t.UnitRows(), (row+n-1)/m.t.UnitRows()+1, buf, func(u int, unit []byte) {
		for r := max(row, u*m.t.UnitRows()); r < min(row+n, (u+1)*m.t.UnitRows()); r++ {
			each(r, unit)
		}
	})
}

// units calls each with the bytes of units [from, to). An expert's record is read as a whole and checked; a dense one, which may
// be large, in pieces: it is checked apart from that.
func (m modelTensor) units(from, to int, buf *readBuffer, each func(u int, unit []byte)) error {
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
