package gguf

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Limits on what a header may say: far above what files have, and low enough for memory.
const (
	maxEntries = 1 << 20
	maxTensors = 1 << 22
	maxName    = 1 << 16
	maxDims    = 8
	maxNesting = 4
	keptText   = 1 << 12 // bytes that are kept of a value
)

var errShort = errors.New("the file ends inside of the header: an incomplete download? download it again")

// reader reads a header, and knows how much of the file is left: nothing is believed that is longer.
type reader struct {
	r    *bufio.Reader
	at   int64
	size int64
	err  error // the first; what is read after it is zero
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// bytes reads n bytes.
func (r *reader) bytes(n int64) []byte {
	if r.err != nil || n < 0 || n > r.size-r.at {
		r.fail(errShort)
		return make([]byte, min(max(n, 0), 8))
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r.r, b); err != nil {
		r.fail(readError(err))
	}
	r.at += n
	return b
}

// skip passes over n bytes.
func (r *reader) skip(n int64) {
	if r.err != nil || n < 0 || n > r.size-r.at {
		r.fail(errShort)
		return
	}
	for left := n; left > 0; {
		step := int(min(left, 1<<30))
		if _, err := r.r.Discard(step); err != nil {
			r.fail(readError(err))
			return
		}
		left -= int64(step)
	}
	r.at += n
}

func readError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errShort
	}
	return cause(err)
}

func (r *reader) uint32() uint32 { return binary.LittleEndian.Uint32(r.bytes(4)) }
func (r *reader) uint64() uint64 { return binary.LittleEndian.Uint64(r.bytes(8)) }

// count reads a number of things, of which there can be so many at most.
func (r *reader) count(what string, limit uint64) int64 {
	n := r.uint64()
	if r.err == nil && n > limit {
		r.fail(fmt.Errorf("the header tells of %d %s: the file is damaged, or not a GGUF file", n, what))
		return 0
	}
	return int64(n)
}

// string reads a string, of which at most keep bytes are returned.
func (r *reader) string(keep int64) string {
	n := r.uint64()
	if n > uint64(r.size) {
		r.fail(errShort)
		return ""
	}
	s := r.bytes(min(int64(n), keep))
	if r.err != nil {
		return ""
	}
	r.skip(int64(n) - int64(len(s)))
	if int64(n) > keep {
		return strings.ToValidUTF8(string(s), "") + "…"
	}
	return string(s)
}

// name reads a string that must not be long.
func (r *reader) name(what string) string {
	s := r.string(maxName)
	if len(s) > maxName {
		r.fail(fmt.Errorf("the name of a %s is longer than %d bytes: the file is damaged, or not a GGUF file", what, maxName))
	}
	return s
}

// read reads a header.
func read(src io.Reader, size int64) (*File, error) {
	r := &reader{r: bufio.NewReaderSize(src, int(min(1<<20, max(16, size)))), size: size}
	if magic := r.bytes(min(4, size)); string(magic) != "GGUF" {
		return nil, errors.New("it is not a GGUF file: it does not begin with GGUF")
	}
	f := &File{Size: size}
	version := r.uint32()
	switch {
	case r.err != nil:
		return nil, r.err
	case version&0xffff == 0:
		return nil, errors.New("it is a big-endian GGUF file, which is not supported: make a little-endian one")
	case version != 2 && version != 3:
		return nil, fmt.Errorf("it is version %d of GGUF: only 2 and 3 are supported", version)
	}
	f.Version = int(version)
	tensors := r.count("tensors", maxTensors)
	entries := r.count("metadata entries", maxEntries)
	if r.err != nil {
		return nil, r.err
	}
	for range entries {
		e := Entry{Key: r.name("metadata entry")}
		r.value(&e, r.uint32(), 0)
		if r.err != nil {
			return nil, fmt.Errorf("metadata entry %d (%q): %w", len(f.Metadata), e.Key, r.err)
		}
		f.Metadata = append(f.Metadata, e)
	}
	for range tensors {
		t := Tensor{Name: r.name("tensor")}
		dims := r.uint32()
		if r.err == nil && (dims < 1 || dims > maxDims) {
			r.fail(fmt.Errorf("it has %d dimensions: the file is damaged", dims))
		}
		for i := uint32(0); i < dims && r.err == nil; i++ {
			n := r.uint64()
			if n > math.MaxInt64 {
				r.fail(fmt.Errorf("a dimension of %d is too large for any file", n))
			}
			t.Shape = append(t.Shape, int64(n))
		}
		slices.Reverse(t.Shape)
		t.Type = Type(r.uint32())
		offset := r.uint64()
		if offset > math.MaxInt64 {
			r.fail(fmt.Errorf("offset %d is beyond any file", offset))
		}
		t.Offset = int64(offset)
		if r.err != nil {
			return nil, fmt.Errorf("tensor %d (%q): %w", len(f.Tensors), t.Name, r.err)
		}
		f.Tensors = append(f.Tensors, t)
	}
	return f, f.finish(r.at)
}

// scalars are the types of values that have a fixed size.
var scalars = map[uint32]struct {
	name string
	size int64
}{
	0: {"uint8", 1}, 1: {"int8", 1}, 2: {"uint16", 2}, 3: {"int16", 2}, 4: {"uint32", 4}, 5: {"int32", 4}, 6: {"float32", 4},
	7: {"bool", 1}, 10: {"uint64", 8}, 11: {"int64", 8}, 12: {"float64", 8},
}

const (
	typeString = 8
	typeArray  = 9
)

// value reads a metadata value. Of arrays only the length is kept: a tokenizer's are long.
func (r *reader) value(e *Entry, typ uint32, nesting int) {
	s, scalar := scalars[typ]
	switch {
	case scalar:
		e.Type = s.name
		e.Value = scalarText(typ, r.bytes(s.size))
	case typ == typeString:
		e.Type, e.Value = "string", r.string(keptText)
	case typ == typeArray && nesting < maxNesting:
		of := r.uint32()
		e.Count = r.count("elements of an array", uint64(r.size))
		var element Entry
		switch s, scalar := scalars[of]; {
		case scalar:
			element.Type = s.name
			if e.Count > (r.size-r.at)/s.size {
				r.fail(errShort)
				return
			}
			r.skip(e.Count * s.size)
		case of == typeString:
			element.Type = "string"
			for i := int64(0); i < e.Count && r.err == nil; i++ {
				r.string(0)
			}
		default:
			for i := int64(0); i < e.Count && r.err == nil; i++ {
				r.value(&element, of, nesting+1)
			}
		}
		e.Type = "array of " + element.Type
		e.Value = fmt.Sprintf("%d elements", e.Count)
	default:
		r.fail(fmt.Errorf("its value has type %d, which GGUF does not have: the file is damaged", typ))
	}
}

func scalarText(typ uint32, b []byte) string {
	var w [8]byte
	copy(w[:], b)
	u := binary.LittleEndian.Uint64(w[:])
	switch typ {
	case 1:
		return strconv.Itoa(int(int8(u)))
	case 3:
		return strconv.Itoa(int(int16(u)))
	case 5:
		return strconv.Itoa(int(int32(u)))
	case 11:
		return strconv.FormatInt(int64(u), 10)
	case 6:
		return strconv.FormatFloat(float64(math.Float32frombits(uint32(u))), 'g', -1, 32)
	case 12:
		return strconv.FormatFloat(math.Float64frombits(u), 'g', -1, 64)
	case 7:
		return strconv.FormatBool(u != 0)
	}
	return strconv.FormatUint(u, 10)
}
