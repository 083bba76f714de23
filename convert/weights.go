package convert

import (
	"st/format"
	"st/quant"
)

// weights is where a plan's tensors come from: a checkpoint, a GGUF file, or an .stm file. They are asked for by what they are, not by name.
type weights interface {
	lookup(k key) (tensor, bool)
	// nameOf returns what the source calls a tensor, be it there or not.
	nameOf(k key) string
	// unknown returns a tensor that no lookup has asked for and that is not known to be of no use; nil: there is none.
	unknown(c *format.Config) tensor
	// where names the source in errors, and config what in it gives the model's shape.
	where() string
	config() string
}

// tensor is one of them. Its methods may be called by several goroutines.
type tensor interface {
	// Name is what the source calls it, and File where it is.
	Name() string
	File() string
	// Shape is that of the role: [out, in]. Rows and Cols are those that Read gives, of the transpose if Transposed is true.
	Shape() []int
	Rows() int
	Cols() int
	Transposed() bool
	Bytes() int64
	// Read decodes rows [row, row+n) into dst. buf belongs to the goroutine.
	Read(dst []float32, row, n int, buf *readBuffer) error
	// spans tells which bytes Read reads for rows [row, row+n), and whatever else it needs. ok is false if that is not known.
	spans(row, n int) (all []span, ok bool)
	// Type returns the type that the weights are in, if it is one of those that files are made of. Nothing is stored in a better
	// one: what was lost cannot be brought back.
	Type() (t quant.Type, known bool)
}

// span is a part of a file of weights.
type span struct {
	file     string
	from, to int64
}

// blocks is a tensor whose rows can be taken over as they are, in its Type.
type blocks interface {
	tensor
	// ReadBlocks fills quants and scales with those of rows [row, row+n), one row after the other.
	ReadBlocks(quants, scales []byte, row, n int, buf *readBuffer) error
	// checked tells that somebody has looked for NaN and infinity.
	checked() bool
}

// readBuffer is what a goroutine keeps for its reads. The record that was read last is kept, for tensors of one record are read one
// after the other.
type readBuffer struct {
	record *format.Record
	data   []byte
	unit   []byte
	floats []float32
}
