package gguf

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// Info is what a [Writer] has to know of a tensor before it writes the first.
type Info struct {
	Name  string
	Shape []int // the outermost dimension first
	Type  Type
}

// bytes returns the size of the tensor's data.
func (i Info) bytes() (int64, error) {
	info, ok := types[i.Type]
	if !ok || info.block == 0 {
		return 0, fmt.Errorf("tensor %q: %s: %w", i.Name, i.Type, ErrType)
	}
	if len(i.Name) > maxName || len(i.Shape) < 1 || len(i.Shape) > maxDims {
		return 0, fmt.Errorf("tensor %q: a name of %d bytes and %d dimensions cannot be written", i.Name, len(i.Name), len(i.Shape))
	}
	weights := int64(1)
	for _, n := range i.Shape {
		if n < 1 || weights > math.MaxInt64/16/int64(n) {
			return 0, fmt.Errorf("tensor %q: shape %v cannot be written", i.Name, i.Shape)
		}
		weights *= int64(n)
	}
	if cols := int64(i.Shape[len(i.Shape)-1]); cols%info.block != 0 {
		return 0, fmt.Errorf("tensor %q: rows of %d weights are no whole blocks of %s", i.Name, cols, i.Type)
	}
	return weights / info.block * info.bytes, nil
}

// Writer writes a GGUF file, version 3, to a stream: the header at once, then the tensors' data in their order. Whoever makes the stream sees to
// it that a file which is not finished does not get its name.
//
//	w, err := gguf.NewWriter(file, metadata, tensors)
//	for _, t := range tensors {
//		_, err = w.Write(data of t) // in as many pieces as you like
//	}
//	err = w.Close()
type Writer struct {
	dst       io.Writer
	alignment int64
	tensors   []Info
	next      int   // tensor that is being written
	left      int64 // bytes that it still needs
	at        int64 // bytes written in all
	err       error
}

// NewWriter writes the header. The data is aligned to general.alignment if that is among the metadata, a power of two as an uint32, and to 32
// bytes otherwise. Values are of the types that [Entry] lists.
func NewWriter(dst io.Writer, metadata Metadata, tensors []Info) (*Writer, error) {
	l, err := NewLayout(metadata, tensors)
	if err != nil {
		return nil, err
	}
	w := &Writer{dst: dst, alignment: l.alignment, tensors: tensors, next: -1}
	if w.write(l.Header); w.err == nil {
		w.advance()
	}
	return w, w.err
}

// Layout is where what lies in a file, for those who write it in another order than from start to end.
type Layout struct {
	Header  []byte  // what the file begins with
	Offsets []int64 // of the tensors' data, from the start of the file
	Size    int64   // of the file

	alignment int64
}

// NewLayout lays a file out as [NewWriter] does.
func NewLayout(metadata Metadata, tensors []Info) (*Layout, error) {
	l := &Layout{alignment: 32}
	if value, ok := metadata.Lookup("general.alignment"); ok {
		n, ok := value.(uint32)
		if !ok || n == 0 || n&(n-1) != 0 || n > 1<<20 {
			return nil, fmt.Errorf("general.alignment is %v: it must be a power of two up to 1048576, as an uint32", value)
		}
		l.alignment = int64(n)
	}
	align := func(n int64) int64 { return (n + l.alignment - 1) / l.alignment * l.alignment }
	b := append([]byte("GGUF"), 3, 0, 0, 0)
	b = le.AppendUint64(b, uint64(len(tensors)))
	b = le.AppendUint64(b, uint64(len(metadata)))
	keys := map[string]bool{}
	for _, e := range metadata {
		if e.Key == "" || keys[e.Key] {
			return nil, fmt.Errorf("metadata entry %q is empty or there twice", e.Key)
		}
		keys[e.Key] = true
		var err error
		if b, err = appendEntry(b, e); err != nil {
			return nil, err
		}
	}
	names := map[string]bool{}
	for _, t := range tensors {
		size, err := t.bytes()
		if err != nil {
			return nil, err
		}
		if names[t.Name] {
			return nil, fmt.Errorf("tensor %q is there twice", t.Name)
		}
		names[t.Name] = true
		b = appendString(b, t.Name)
		b = le.AppendUint32(b, uint32(len(t.Shape)))
		for _, n := range slices.Backward(t.Shape) {
			b = le.AppendUint64(b, uint64(n))
		}
		b = le.AppendUint32(b, uint32(t.Type))
		b = le.AppendUint64(b, uint64(l.Size))
		l.Offsets = append(l.Offsets, l.Size)
		l.Size += align(size)
	}
	start := align(int64(len(b)))
	for i := range l.Offsets {
		l.Offsets[i] += start
	}
	l.Header, l.Size = b, l.Size+start
	return l, nil
}

// write writes without looking at tensors.
func (w *Writer) write(b []byte) {
	if w.err == nil {
		var n int
		n, w.err = w.dst.Write(b)
		w.at += int64(n)
	}
}

// advance pads, and goes on to the next tensor.
func (w *Writer) advance() {
	w.write(make([]byte, (w.alignment-w.at%w.alignment)%w.alignment))
	if w.next++; w.next < len(w.tensors) {
		w.left, _ = w.tensors[w.next].bytes()
	}
}

// Write adds to the data of the tensors. A piece must not reach from one tensor into the next.
func (w *Writer) Write(data []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if int64(len(data)) > w.left {
		if w.next >= len(w.tensors) {
			return 0, fmt.Errorf("%d bytes were written after the last tensor", len(data))
		}
		return 0, fmt.Errorf("%d bytes were written where tensor %q needs %d more", len(data), w.tensors[w.next].Name, w.left)
	}
	w.write(data)
	if w.left -= int64(len(data)); w.left == 0 && w.next < len(w.tensors) {
		w.advance()
	}
	if w.err != nil {
		return 0, w.err
	}
	return len(data), nil
}

// Close checks that all tensors are written. It leaves the stream open.
func (w *Writer) Close() error {
	if w.err == nil && w.next < len(w.tensors) {
		return fmt.Errorf("tensor %q needs %d more bytes", w.tensors[w.next].Name, w.left)
	}
	if w.err == nil {
		w.err = errClosed
		return nil
	}
	return w.err
}

var errClosed = errors.New("the writer is closed")

func appendString(b []byte, s string) []byte {
	return append(le.AppendUint64(b, uint64(len(s))), s...)
}

func appendEntry(b []byte, e Entry) ([]byte, error) {
	b = appendString(b, e.Key)
	typ, ok := valueType(e.Value)
	if !ok {
		return nil, fmt.Errorf("metadata entry %q: a %T cannot be written", e.Key, e.Value)
	}
	b = le.AppendUint32(b, typ)
	if typ != typeArray {
		return appendScalar(b, e.Value), nil
	}
	return appendArray(b, e, e.Value)
}

// valueType returns the number of a value's type.
func valueType(value any) (uint32, bool) {
	switch value.(type) {
	case uint8:
		return typeUint8, true
	case int8:
		return typeInt8, true
	case uint16:
		return typeUint16, true
	case int16:
		return typeInt16, true
	case uint32:
		return typeUint32, true
	case int32:
		return typeInt32, true
	case float32:
		return typeFloat32, true
	case bool:
		return typeBool, true
	case string:
		return typeString, true
	case uint64:
		return typeUint64, true
	case int64:
		return typeInt64, true
	case float64:
		return typeFloat64, true
	}
	_, ok := arrayLen(value)
	return typeArray, ok
}

func appendScalar(b []byte, value any) []byte {
	switch v := value.(type) {
	case uint8:
		return append(b, v)
	case int8:
		return append(b, byte(v))
	case uint16:
		return le.AppendUint16(b, v)
	case int16:
		return le.AppendUint16(b, uint16(v))
	case uint32:
		return le.AppendUint32(b, v)
	case int32:
		return le.AppendUint32(b, uint32(v))
	case uint64:
		return le.AppendUint64(b, v)
	case int64:
		return le.AppendUint64(b, uint64(v))
	case float32:
		return le.AppendUint32(b, math.Float32bits(v))
	case float64:
		return le.AppendUint64(b, math.Float64bits(v))
	case string:
		return appendString(b, v)
	case bool:
		if v {
			return append(b, 1)
		}
	}
	return append(b, 0) // false
}

func appendArray(b []byte, e Entry, value any) ([]byte, error) {
	switch v := value.(type) {
	case []uint8:
		return appendElements(b, typeUint8, v), nil
	case []int8:
		return appendElements(b, typeInt8, v), nil
	case []uint16:
		return appendElements(b, typeUint16, v), nil
	case []int16:
		return appendElements(b, typeInt16, v), nil
	case []uint32:
		return appendElements(b, typeUint32, v), nil
	case []int32:
		return appendElements(b, typeInt32, v), nil
	case []uint64:
		return appendElements(b, typeUint64, v), nil
	case []int64:
		return appendElements(b, typeInt64, v), nil
	case []float32:
		return appendElements(b, typeFloat32, v), nil
	case []float64:
		return appendElements(b, typeFloat64, v), nil
	case []bool:
		return appendElements(b, typeBool, v), nil
	case []string:
		return appendElements(b, typeString, v), nil
	}
	arrays, _ := value.([]any)
	b = le.AppendUint32(b, typeArray)
	b = le.AppendUint64(b, uint64(len(arrays)))
	for _, element := range arrays {
		if _, ok := arrayLen(element); !ok {
			return nil, fmt.Errorf("metadata entry %q: a %T among arrays cannot be written", e.Key, element)
		}
		var err error
		if b, err = appendArray(b, e, element); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func appendElements[T any](b []byte, typ uint32, elements []T) []byte {
	b = le.AppendUint32(b, typ)
	b = le.AppendUint64(b, uint64(len(elements)))
	for _, v := range elements {
		b = appendScalar(b, v)
	}
	return b
}
