package checkpoint

import "sync"

// Tensor is one named tensor of a checkpoint. The exported fields are not to be changed.
type Tensor struct {
	Name  string
	DType DType
	Shape []int  // empty for a scalar
	File  string // path of the weight file that holds it

	rows, cols int
	src        file
	off        int64   // of the first element in src, bytes
	strides    []int64 // elements from one index to the next in each dimension; nil if row-major without gaps
}

// newTensor makes a row-major tensor whose first element is at byte off of f. The caller has passed the shape to byteSize.
func newTensor(path string, f file, name string, d DType, shape []int, off int64) (*Tensor, error) {
	if name == "" {
		return nil, fileError(ErrMalformed, path, "a tensor has an empty name")
	}
	t := &Tensor{Name: name, DType: d, Shape: shape, File: path, rows: 1, cols: 1, src: f, off: off}
	if last := len(shape) - 1; last >= 0 {
		t.cols = shape[last]
		for _, n := range shape[:last] {
			t.rows *= n
		}
	}
	return t, nil
}

// Rows returns the product of all dimensions but the last: 1 for a vector or a scalar.
func (t *Tensor) Rows() int { return t.rows }

// Cols returns the last dimension: 1 for a scalar.
func (t *Tensor) Cols() int { return t.cols }

// Bytes returns the number of bytes that the tensor's elements take in its file.
func (t *Tensor) Bytes() int64 {
	return int64(t.rows) * int64(t.cols) * t.DType.bits() / 8
}

// Span tells which bytes of its file rows [row, row+n) are. ok is false if they do not lie together, as those of a view do not.
func (t *Tensor) Span(row, n int) (from, to int64, ok bool) {
	bytes := int64(t.cols) * t.DType.bits() / 8
	return t.off + int64(row)*bytes, t.off + int64(row+n)*bytes, t.strides == nil
}

// pieceBytes is how much is read at once: enough to make the cost of a call small, and little enough for the second-level cache
// of a core, from which the piece is then decoded.
const pieceBytes = 256 << 10

var pieces = sync.Pool{New: func() any { return new([pieceBytes]byte) }}

// Readable returns an error of kind [ErrDType] if the tensor's elements are of a type that [Tensor.ReadRows] does not decode.
func (t *Tensor) Readable() error {
	if decoder(t.DType) == nil {
		return tensorError(ErrDType, t.File, t.Name, "%s weights %w: those of F64, F32, F16, BF16, F8_E4M3 and F8_E5M2 can", t.DType, ErrDType)
	}
	return nil
}

// ReadRows decodes rows row to row+n-1 into dst, which must have length n·Cols. Decoding is exact: every value of the types that are read
// is a float32, but for those of F64, of which it is the nearest. It fails, leaving dst undefined, if the range is outside the tensor, the
// tensor is not [Tensor.Readable], or the file cannot be read. Many goroutines may read at once.
func (t *Tensor) ReadRows(dst []float32, row, n int) error {
	decode := decoder(t.DType)
	switch {
	case decode == nil:
		return t.Readable()
	case row < 0 || n < 0 || row > t.rows || n > t.rows-row:
		return tensorError(errRead, t.File, t.Name, "%d rows from row %d were asked for, but it has %d", n, row, t.rows)
	case len(dst) != n*t.cols:
		return tensorError(errRead, t.File, t.Name, "%d rows of %d were asked for into a buffer of %d", n, t.cols, len(dst))
	case len(dst) == 0:
		return nil
	}
	piece := pieces.Get().(*[pieceBytes]byte)
	defer pieces.Put(piece)
	var err error
	if t.strides == nil {
		err = t.readRun(dst, row, piece[:], decode)
	} else {
		err = t.readStrided(dst, row, piece[:], decode)
	}
	if err != nil {
		return tensorError(errRead, t.File, t.Name, "%w", err)
	}
	return nil
}

// readRun reads rows of a row-major tensor.
func (t *Tensor) readRun(dst []float32, row int, piece []byte, decode decodeFunc) error {
	size := int(t.DType.bits() / 8)
	off := t.off + int64(row)*int64(t.cols)*int64(size)
	for len(dst) > 0 {
		n := min(len(dst), len(piece)/size)
		src := piece[:n*size]
		if err := readFull(t.src, src, off); err != nil {
			return err
		}
		decode(dst[:n], src)
		dst = dst[n:]
		off += int64(len(src))
	}
	return nil
}
