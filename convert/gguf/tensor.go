package gguf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"st/format"
)

// ErrType is what the errors of [Tensor.ReadRows] wrap if the tensor is of a type that cannot be decoded.
var ErrType = errors.New("the type is not supported")

// Tensor is one tensor of a file, or a slice of one. The exported fields are not to be changed.
type Tensor struct {
	Name  string
	Shape []int // the outermost dimension first, [out, in] for a matrix, as in a checkpoint: the reverse of the order in the file
	Type  Type

	shard      *shard
	offset     int64 // of the first weight: in the header from the start of the data, afterwards from the start of the file
	size       int64 // bytes; 0 if the type's size is not known
	rows, cols int
}

// Rows returns the product of all dimensions but the last: 1 for a vector.
func (t *Tensor) Rows() int { return t.rows }

// Cols returns the last dimension.
func (t *Tensor) Cols() int { return t.cols }

// Bytes returns the bytes that the tensor takes in the file: 0 if its type is not known.
func (t *Tensor) Bytes() int64 { return t.size }

// RowBytes returns the bytes of a row.
func (t *Tensor) RowBytes() int { return t.Type.RowBytes(t.cols) }

// File returns the path of the file that holds the tensor.
func (t *Tensor) File() string { return t.shard.path }

// Offset returns where in the file the tensor begins.
func (t *Tensor) Offset() int64 { return t.offset }

// Slice returns part i of the first dimension: of [experts, out, in] the matrix of expert i.
func (t *Tensor) Slice(i int) *Tensor {
	part := *t
	part.Shape = t.Shape[1:]
	part.rows = t.rows / t.Shape[0]
	part.size = t.size / int64(t.Shape[0])
	part.offset = t.offset + int64(i)*part.size
	return &part
}

// Part returns rows [row, row+n) of a matrix.
func (t *Tensor) Part(row, n int) *Tensor {
	part := *t
	part.Shape, part.rows = []int{n, t.cols}, n
	part.size = int64(n) * int64(t.RowBytes())
	part.offset = t.offset + int64(row)*int64(t.RowBytes())
	return &part
}

// View returns the matrix [rows, cols] that begins at weight first of a tensor, row by row. What lies before it and its rows are whole blocks.
func (t *Tensor) View(first, rows, cols int) *Tensor {
	part := *t
	part.Shape, part.rows, part.cols = []int{rows, cols}, rows, cols
	part.offset = t.offset + int64(t.Type.RowBytes(first))
	part.size = int64(rows) * int64(part.RowBytes())
	return &part
}

// restoreDims gives a tensor the outermost dimensions of 1 back that ggml's own writer leaves out, as in files that llama-quantize made: those of the
// experts and the router of a model with one expert.
func (t *Tensor) restoreDims() {
	n, _ := ParseName(t.Name)
	dims := 1
	switch {
	case n.Experts:
		dims = 3
	case n.Role == format.RoleRouter:
		dims = 2
	}
	if missing := dims - len(t.Shape); missing > 0 {
		t.Shape = append(slices.Repeat([]int{1}, missing), t.Shape...)
	}
}

// pieceBytes is how much is read at once: enough to make the cost of a call small, and little enough for the second-level cache of a core, from
// which the piece is then decoded.
const pieceBytes = 256 << 10

var pieces = sync.Pool{New: func() any { return new([pieceBytes]byte) }}

// ReadRows decodes rows row to row+n−1 into dst, which must have length n·Cols: exactly as ggml defines it. It fails, leaving dst undefined, if
// the range is outside of the tensor, the type cannot be decoded (the error is [ErrType]), the file cannot be read, or ctx is done. Rows are read
// from the file once, in pieces. Many goroutines may read at once.
func (t *Tensor) ReadRows(ctx context.Context, dst []float32, row, n int) error {
	info := types[t.Type]
	if info.decode == nil {
		return t.errorf("its weights are %s: %w; convert it to one that is (F32, F16, BF16, Q4_0 to Q8_0, Q2_K to Q6_K, IQ4_NL, IQ4_XS)", t.Type, ErrType)
	}
	if err := t.check(row, n, len(dst), n*t.cols); err != nil {
		return err
	}
	piece := pieces.Get().(*[pieceBytes]byte)
	defer pieces.Put(piece)
	blocks := pieceBytes / int(info.bytes)
	offset := t.offset + int64(row)*int64(t.RowBytes())
	for len(dst) > 0 {
		weights := min(len(dst), blocks*int(info.block))
		src := piece[:t.Type.RowBytes(weights)]
		if err := t.shard.read(ctx, src, offset); err != nil {
			return t.errorf("%w", err)
		}
		info.decode(dst[:weights], src)
		dst = dst[weights:]
		offset += int64(len(src))
	}
	return nil
}

// ReadBlocks reads the bytes of rows row to row+n−1, as they are in the file, into dst, which must have length n·RowBytes.
func (t *Tensor) ReadBlocks(ctx context.Context, dst []byte, row, n int) error {
	if !t.Type.Known() {
		return t.errorf("its weights are %s: %w", t.Type, ErrType)
	}
	if err := t.check(row, n, len(dst), n*t.RowBytes()); err != nil {
		return err
	}
	offset := t.offset + int64(row)*int64(t.RowBytes())
	for len(dst) > 0 {
		piece := dst[:min(len(dst), 16*pieceBytes)]
		if err := t.shard.read(ctx, piece, offset); err != nil {
			return t.errorf("%w", err)
		}
		dst = dst[len(piece):]
		offset += int64(len(piece))
	}
	return nil
}

// ReadQuants reads rows row to row+n−1 into quants and scales as package quant keeps them, one row after the other: the numbers stay as they are.
// The type must be one of those that [Type.Quant] knows; quants and scales have the lengths of its QuantBytes and ScaleBytes of n·Cols.
func (t *Tensor) ReadQuants(ctx context.Context, quants, scales []byte, row, n int) error {
	typ, ok := t.Type.Quant()
	if !ok {
		return t.errorf("its weights are %s, which is not among the types of models: %w", t.Type, ErrType)
	}
	if typ.ScaleBytes(t.cols) == 0 {
		return t.ReadBlocks(ctx, quants, row, n)
	}
	if err := t.check(row, n, len(quants), n*typ.QuantBytes(t.cols)); err != nil {
		return err
	}
	if err := t.check(row, n, len(scales), n*typ.ScaleBytes(t.cols)); err != nil {
		return err
	}
	piece := pieces.Get().(*[pieceBytes]byte)
	defer pieces.Put(piece)
	block := int(types[t.Type].bytes)
	offset := t.offset + int64(row)*int64(t.RowBytes())
	for len(scales) > 0 {
		blocks := min(len(scales)/2, pieceBytes/block)
		src := piece[:blocks*block]
		if err := t.shard.read(ctx, src, offset); err != nil {
			return t.errorf("%w", err)
		}
		SplitBlocks(t.Type, quants, scales, src)
		quants, scales = quants[blocks*(block-2):], scales[2*blocks:]
		offset += int64(len(src))
	}
	return nil
}

func (t *Tensor) check(row, n, got, want int) error {
	if row < 0 || n < 0 || row > t.rows || n > t.rows-row {
		return t.errorf("%d rows from row %d were asked for, but it has %d", n, row, t.rows)
	}
	if got != want {
		return t.errorf("%d rows were asked for into a buffer of %d, not %d", n, got, want)
	}
	return nil
}

// errorf makes an error that names the file and the tensor.
func (t *Tensor) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: tensor %q: "+format, append([]any{t.shard.path, t.Name}, args...)...)
}

// read fills buf from offset off. Sizes are checked when the file is opened, so a file that ends early was cut since.
func (s *shard) read(ctx context.Context, buf []byte, off int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n, err := s.src.ReadAt(buf, off)
	switch {
	case n == len(buf):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return fmt.Errorf("the file ended %d bytes into a read of %d at offset %d: was it changed while being read? (%w)", n, len(buf), off,
			io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("reading %d bytes at offset %d: %w", len(buf), off, cause(err))
}
