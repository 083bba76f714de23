package kernel

import (
	"encoding/binary"

	"st/quant"
)

var le = binary.LittleEndian

// Matrix is a weight matrix of Rows·Cols as it lies in memory. It consists of units: a row, or a group of sixteen
// interleaved rows if Grouped (see [quant.Encoder.EncodeGroup]). Unit i begins at Data[i·Stride]; if it is a row, its scales
// are ScaleOffset bytes further.
type Matrix struct {
	Type                quant.Type
	Grouped             bool
	Rows, Cols          int
	Data                []byte
	Stride, ScaleOffset int
}

// UnitRows returns the number of rows in a unit.
func (m *Matrix) UnitRows() int {
	if m.Grouped {
		return quant.GroupRows
	}
	return 1
}

// Units returns the number of units: what work is split by.
func (m *Matrix) Units() int { return (m.Rows + m.UnitRows() - 1) / m.UnitRows() }

// Bytes returns the size of all units.
func (m *Matrix) Bytes() int64 {
	if m.Grouped {
		return int64(m.Units()) * int64(m.Type.GroupBytes(m.Cols))
	}
	return int64(m.Rows) * int64(m.Type.QuantBytes(m.Cols)+m.Type.ScaleBytes(m.Cols))
}

// group returns group i of a Grouped matrix.
func (m *Matrix) group(i int) []byte { return m.Data[i*m.Stride:][:m.Type.GroupBytes(m.Cols)] }

// units returns up to n units from the given one on, of those that there are.
func (m *Matrix) units(from, n int) []byte {
	n = min(n, m.Units()-from)
	if n <= 0 {
		return nil
	}
	return m.Data[from*m.Stride : min((from+n)*m.Stride, len(m.Data))]
}

// row returns row i of a matrix that is not Grouped.
func (m *Matrix) row(i int) (quants, scales []byte) {
	quants = m.Data[i*m.Stride:][:m.Type.QuantBytes(m.Cols)]
	if n := m.Type.ScaleBytes(m.Cols); n > 0 {
		scales = m.Data[i*m.Stride+m.ScaleOffset:][:n]
	}
	return quants, scales
}

// Part returns the matrix of n rows from first on, where a unit begins: a multiple of [Matrix.UnitRows].
func (m *Matrix) Part(first, n int) Matrix { return m.rows(first, n) }

// rows returns the matrix of up to n rows from first on, where a unit begins.
func (m *Matrix) rows(first, n int) Matrix {
	part := *m
	part.Data = m.Data[first/m.UnitRows()*m.Stride:]
	part.Rows = min(n, m.Rows-first)
	return part
}

// prefetch asks for row i of a matrix that is not Grouped.
func (m *Matrix) prefetch(i int) {
	quants, scales := m.row(i)
	prefetch(quants)
	prefetch(scales)
}

// quantized reports whether products with the matrix take int8 activations.
func (m *Matrix) quantized() bool { return m.Type.Block() > 1 }
