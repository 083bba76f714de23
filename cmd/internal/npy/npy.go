package npy

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
)

const magic = "\x93NUMPY"

// Writer writes one matrix.
type Writer struct {
	w   io.Writer
	buf []byte
}

// NewWriter writes the header of a little-endian float32 array [rows, cols] in C order. Write must be called for its rows.
func NewWriter(w io.Writer, rows, cols int) (*Writer, error) {
	_, err := w.Write(header(rows, cols))
	return &Writer{w: w}, err
}

// header returns what comes before the data, which begins at a multiple of 64: spaces and a newline fill up to that.
func header(rows, cols int) []byte {
	dict := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", rows, cols)
	const prefix = len(magic) + 4 // magic, version, length
	length := (prefix+len(dict)+1+63)/64*64 - prefix
	b := append([]byte(magic), 1, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(length))
	b = append(b, dict...)
	b = append(b, strings.Repeat(" ", length-len(dict)-1)...)
	return append(b, '\n')
}

// Write writes the numbers that come next.
func (w *Writer) Write(x []float32) error {
	w.buf = w.buf[:0]
	for _, v := range x {
		w.buf = binary.LittleEndian.AppendUint32(w.buf, math.Float32bits(v))
	}
	_, err := w.w.Write(w.buf)
	return err
}
