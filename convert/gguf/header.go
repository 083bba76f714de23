package gguf

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"st/format"
)

// Limits on what a header may say: far above what files have, and low enough for memory.
const (
	maxEntries  = 1 << 20
	maxTensors  = 1 << 20
	maxName     = 1 << 16 // bytes of a key or a tensor's name
	maxString   = 1 << 28
	maxElements = 1 << 28 // of an array of numbers
	maxStrings  = 1 << 24 // of an array of texts
	maxArrays   = 1 << 12 // of an array of arrays
	maxNesting  = 4
	maxDims     = 4 // as in ggml
)

var errShort = errors.New("the file ends inside of the header: an incomplete download? download it again")

const damaged = "the file is damaged, or not a GGUF file: download it again"

// The types of metadata values.
const (
	typeUint8 uint32 = iota
	typeInt8
	typeUint16
	typeInt16
	typeUint32
	typeInt32
	typeFloat32
	typeBool
	typeString
	typeArray
	typeUint64
	typeInt64
	typeFloat64
)

// header is the header of one file.
type header struct {
	version   int
	alignment int64
	metadata  Metadata
	tensors   []*Tensor // without what does not depend on the header
	end       int64     // of the header
}

// reader reads a header, and knows how much of the file is left: nothing is believed that is longer.
type reader struct {
	r    *bufio.Reader
	at   int64
	size int64
	err  error // the first; what is read after it is zero
	word [8]byte
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reader) failf(format string, args ...any) { r.fail(fmt.Errorf(format, args...)) }

// read fills b.
func (r *reader) read(b []byte) {
	if r.err != nil {
		return
	}
	if int64(len(b)) > r.size-r.at {
		r.fail(errShort)
		return
	}
	n, err := io.ReadFull(r.r, b)
	r.at += int64(n)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errShort
	}
	if err != nil {
		r.fail(cause(err))
	}
}

// uint reads an unsigned number of n bytes.
func (r *reader) uint(n int) uint64 {
	r.word = [8]byte{}
	if r.read(r.word[:n]); r.err != nil {
		return 0
	}
	return le.Uint64(r.word[:])
}

func (r *reader) uint32() uint32 { return uint32(r.uint(4)) }
func (r *reader) uint64() uint64 { return r.uint(8) }

// count reads a number of things, of which there can be limit at most, and each takes so many bytes at least.
func (r *reader) count(what string, limit uint64, bytes int64) int {
	n := r.uint64()
	if r.err == nil && n > limit {
		r.failf("the header tells of %d %s, more than the %d that are supported: %s", n, what, limit, damaged)
	}
	if r.err == nil && int64(n) > (r.size-r.at)/bytes {
		r.fail(errShort)
	}
	if r.err != nil {
		return 0
	}
	return int(n)
}

// string reads a string of at most limit bytes.
func (r *reader) string(what string, limit uint64) string {
	n := r.uint64()
	switch {
	case r.err != nil:
		return ""
	case n > uint64(r.size-r.at):
		r.fail(errShort)
		return ""
	case n > limit:
		r.failf("%s is %d bytes long, more than the %d that are supported: %s", what, n, limit, damaged)
		return ""
	}
	// Short strings, which are by far the most, need no buffer of their own.
	if b, err := r.r.Peek(int(min(n, 256))); err == nil && n <= 256 {
		s := string(b)
		r.r.Discard(len(b))
		r.at += int64(n)
		return s
	}
	var s strings.Builder
	s.Grow(int(n))
	buf := make([]byte, min(n, 1<<16))
	for left := n; left > 0 && r.err == nil; {
		b := buf[:min(left, uint64(len(buf)))]
		r.read(b)
		s.Write(b)
		left -= uint64(len(b))
	}
	return s.String()
}

// readHeader reads the header of a file of that size.
func readHeader(src io.Reader, size int64) (*header, error) {
	r := &reader{r: bufio.NewReaderSize(src, int(min(1<<18, max(512, size)))), size: size}
	magic := make([]byte, min(4, size))
	if r.read(magic); r.err != nil {
		return nil, r.err
	}
	if string(magic) != "GGUF" {
		return nil, notGGUF(magic, r)
	}
	h := &header{alignment: 32}
	version := r.uint32()
	switch {
	case r.err != nil:
		return nil, r.err
	case version&0xffff == 0:
		return nil, errors.New("it is a big-endian GGUF file, which is not supported: make a little-endian one (gguf_convert_endian.py of llama.cpp does)")
	case version == 1:
		return nil, errors.New("it is version 1 of GGUF, which is not supported, by llama.cpp neither: download or make a newer file")
	case version != 2 && version != 3:
		return nil, fmt.Errorf("it is version %d of GGUF: only 2 and 3 are supported", version)
	}
	h.version = int(version)
	tensors := r.count("tensors", maxTensors, 8+4+8+4+8)
	entries := r.count("metadata entries", maxEntries, 8+4+1)
	if r.err != nil {
		return nil, r.err
	}
	if err := h.readMetadata(r, entries); err != nil {
		return nil, err
	}
	if err := h.readTensors(r, tensors); err != nil {
		return nil, err
	}
	h.end = r.at
	return h, nil
}

// notGGUF says what a file is that does not begin with GGUF, if it is one of those that downloads leave in the place of another.
func notGGUF(magic []byte, r *reader) error {
	rest, _ := r.r.Peek(int(min(64, r.size-r.at)))
	start := strings.ToLower(string(magic) + string(rest))
	if err := format.CheckPointer([]byte(start)); err != nil {
		return err
	}
	switch {
	case start == "":
		return errors.New("it is empty: download it again")
	case strings.HasPrefix(start, "<!doctype") || strings.HasPrefix(start, "<html"):
		return errors.New("it is a web page, not a GGUF file (a download without access?): download it again")
	}
	return errors.New("it is not a GGUF file: it does not begin with GGUF")
}

func (h *header) readMetadata(r *reader, n int) error {
	seen := map[string]bool{}
	for i := range n {
		key := r.string("the key", maxName)
		if r.err == nil && key == "" {
			r.failf("the key is empty: %s", damaged)
		}
		if r.err == nil && seen[key] {
			r.failf("it is there twice: %s", damaged)
		}
		seen[key] = true
		value := r.value(r.uint32(), 0)
		if r.err != nil {
			return fmt.Errorf("metadata entry %d (%.80q): %w", i, key, r.err)
		}
		h.metadata = append(h.metadata, Entry{key, value})
	}
	if value, ok := h.metadata.Lookup("general.alignment"); ok {
		n, ok := asInt(value)
		if !ok || n < 1 || n > 1<<20 || n&(n-1) != 0 {
			return fmt.Errorf("general.alignment is %s: it must be a power of two up to 1048576: %s", describe(Entry{"", value}), damaged)
		}
		h.alignment = n
	}
	return nil
}

// value reads a metadata value.
func (r *reader) value(typ uint32, nesting int) any {
	switch typ {
	case typeUint8:
		return uint8(r.uint(1))
	case typeInt8:
		return int8(r.uint(1))
	case typeUint16:
		return uint16(r.uint(2))
	case typeInt16:
		return int16(r.uint(2))
	case typeUint32:
		return uint32(r.uint(4))
	case typeInt32:
		return int32(r.uint(4))
	case typeFloat32:
		return math.Float32frombits(uint32(r.uint(4)))
	case typeBool:
		return r.uint(1) != 0
	case typeString:
		return r.string("the text", maxString)
	case typeArray:
		return r.array(nesting)
	case typeUint64:
		return r.uint(8)
	case typeInt64:
		return int64(r.uint(8))
	case typeFloat64:
		return math.Float64frombits(r.uint(8))
	}
	r.failf("its value has type %d, which GGUF does not have: %s", typ, damaged)
	return nil
}

func (r *reader) array(nesting int) any {
	if nesting == maxNesting {
		r.failf("its arrays are nested more than %d deep: %s", maxNesting, damaged)
		return nil
	}
	of := r.uint32()
	switch of {
	case typeUint8:
		return numbers(r, 1, func(u uint64) uint8 { return uint8(u) })
	case typeInt8:
		return numbers(r, 1, func(u uint64) int8 { return int8(u) })
	case typeUint16:
		return numbers(r, 2, func(u uint64) uint16 { return uint16(u) })
	case typeInt16:
		return numbers(r, 2, func(u uint64) int16 { return int16(u) })
	case typeUint32:
		return numbers(r, 4, func(u uint64) uint32 { return uint32(u) })
	case typeInt32:
		return numbers(r, 4, func(u uint64) int32 { return int32(u) })
	case typeFloat32:
		return numbers(r, 4, func(u uint64) float32 { return math.Float32frombits(uint32(u)) })
	case typeBool:
		return numbers(r, 1, func(u uint64) bool { return u != 0 })
	case typeUint64:
		return numbers(r, 8, func(u uint64) uint64 { return u })
	case typeInt64:
		return numbers(r, 8, func(u uint64) int64 { return int64(u) })
	case typeFloat64:
		return numbers(r, 8, math.Float64frombits)
	case typeString:
		array := []string{}
		for range r.count("texts in an array", maxStrings, 8) {
			array = append(array, r.string("a text", maxString))
			if r.err != nil {
				return nil
			}
		}
		return array
	case typeArray:
		array := []any{}
		for range r.count("arrays in an array", maxArrays, 12) {
			array = append(array, r.array(nesting+1))
			if r.err != nil {
				return nil
			}
		}
		return array
	}
	r.failf("its elements have type %d, which GGUF does not have: %s", of, damaged)
	return nil
}

// numbers reads an array of numbers of size bytes.
func numbers[T any](r *reader, size int, from func(uint64) T) []T {
	array := make([]T, r.count("elements in an array", maxElements, int64(size)))
	for i := range array {
		if array[i] = from(r.uint(size)); r.err != nil {
			return nil
		}
	}
	return array
}

func (h *header) readTensors(r *reader, n int) error {
	seen := map[string]bool{}
	for i := range n {
		t := &Tensor{Name: r.string("the name", maxName)}
		if r.err == nil && seen[t.Name] {
			r.failf("it is there twice: %s", damaged)
		}
		seen[t.Name] = true
		r.tensor(t)
		if r.err != nil {
			return fmt.Errorf("tensor %d (%.80q): %w", i, t.Name, r.err)
		}
		h.tensors = append(h.tensors, t)
	}
	return nil
}

// tensor reads what follows a tensor's name, and computes its size.
func (r *reader) tensor(t *Tensor) {
	dims := r.uint32()
	if r.err == nil && (dims < 1 || dims > maxDims) {
		r.failf("it has %d dimensions, not 1 to %d: %s", dims, maxDims, damaged)
	}
	weights := int64(1)
	for i := uint32(0); i < dims && r.err == nil; i++ {
		n := r.uint64()
		switch {
		case r.err != nil:
		case n == 0:
			r.failf("it has a dimension of 0: %s", damaged)
		case n > math.MaxInt64/16 || weights > math.MaxInt64/16/int64(n):
			r.failf("its %d dimensions are too large for any file: %s", dims, damaged)
		default:
			weights *= int64(n)
			t.Shape = append(t.Shape, int(n))
		}
	}
	slices.Reverse(t.Shape)
	t.restoreDims()
	t.Type = Type(r.uint32())
	offset := r.uint64()
	if r.err != nil {
		return
	}
	if offset > math.MaxInt64/2 {
		r.failf("offset %d is beyond any file: %s", offset, damaged)
		return
	}
	t.offset = int64(offset)
	t.cols = t.Shape[len(t.Shape)-1]
	t.rows = int(weights / int64(t.cols))
	info := types[t.Type]
	if info.block == 0 {
		return
	}
	if int64(t.cols)%info.block != 0 {
		r.failf("rows of %d weights are no whole blocks of %s: %s", t.cols, t.Type, damaged)
		return
	}
	// A weight takes 16 bytes at most, so this does not overflow.
	t.size = weights / info.block * info.bytes
}
