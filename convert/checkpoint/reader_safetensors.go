package checkpoint

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// A safetensors file is eight bytes of header length (little-endian), a JSON header that names each tensor with its type, shape
// and byte range, and the bytes of all tensors, back to back.
//
// This is a reader of our own rather than github.com/nlpodyssey/safetensors: that one wants the whole file in memory, keeps the
// last of two tensors of one name without a word, and does not say which tensor of which file is wrong, or in what way.

// maxHeaderBytes is the limit that the format sets.
const maxHeaderBytes = 100_000_000

func readSafetensors(path string, f file, max int) ([]*Tensor, error) {
	first, err := head(path, f, sniffBytes)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(first, []byte("PK\x03\x04")) {
		return readTorch(path, f, max) // whatever its name says
	}
	if len(first) < 8 {
		return nil, fileError(ErrTruncated, path, "%d bytes is too short for a safetensors file", len(first))
	}
	n := binary.LittleEndian.Uint64(first)
	switch {
	case n == 0:
		return nil, fileError(ErrMalformed, path, "the header length is zero: not a safetensors file, or damaged")
	case n > maxHeaderBytes:
		return nil, fileError(ErrMalformed, path, "the header length is %d, more than the format's %d: not a safetensors file, or damaged",
			n, maxHeaderBytes)
	case int64(n) > f.Size()-8:
		kind := ErrMalformed
		if len(first) > 8 && first[8] == '{' {
			kind = ErrTruncated
		}
		return nil, fileError(kind, path, "the header length is %d but the file is only %d bytes: not a safetensors file, or cut short",
			n, f.Size())
	}
	header := make([]byte, n)
	if err := readFull(f, header, 8); err != nil {
		return nil, fileError(errRead, path, "header: %w", err)
	}
	entries, err := parseHeader(header, max)
	if err != nil {
		return nil, fileError(kindOf(err), path, "header: %w", err)
	}
	if err := checkLayout(path, entries, int64(8+n), f.Size()); err != nil {
		return nil, err
	}
	tensors := make([]*Tensor, len(entries))
	for i, e := range entries {
		if tensors[i], err = newTensor(path, f, e.name, e.dtype, e.shape, int64(8+n)+e.begin); err != nil {
			return nil, err
		}
	}
	return tensors, nil
}

// looksSafetensors reports whether a file that begins so may be a safetensors file.
func looksSafetensors(first []byte) bool {
	return len(first) > 8 && first[8] == '{' && binary.LittleEndian.Uint64(first) <= maxHeaderBytes
}

// entry is one tensor of a header; begin and end count bytes from the end of the header.
type entry struct {
	name       string
	dtype      DType
	shape      []int
	begin, end int64
}

// parseHeader returns the tensors of a header in order of their place in the file, each sound by itself. A header of more than max
// tensors is refused before it is parsed: that takes a thousand times as long as counting.
func parseHeader(header []byte, max int) ([]entry, error) {
	if n := bytes.Count(header, []byte(`"data_offsets"`)); n > max {
		return nil, tooMany(n, max)
	}
	var entries []entry
	err := parseObject(header, func(dec *json.Decoder, key string) error {
		if key == "__metadata__" {
			// Only "format", the framework that wrote the file, is ever there, and it is not used. It must be as Hugging Face's library
			// takes it: null, or an object of strings.
			err := eachKeyOrNull(dec, func(dec *json.Decoder, key string) error {
				if _, err := readString(dec); err != nil {
					return fmt.Errorf("%s: %w", quote(key), err)
				}
				return nil
			})
			if err != nil {
				return fmt.Errorf("__metadata__: %w", err)
			}
			return nil
		}
		if len(entries) == max { // names may be spelled with escapes
			return tooMany(max+1, max)
		}
		e, err := parseEntry(dec)
		if err != nil {
			return fmt.Errorf("tensor %s: %w", quote(key), err)
		}
		e.name = key
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	})
	return entries, nil
}

func parseEntry(dec *json.Decoder) (entry, error) {
	var e entry
	var dims, offsets []int64
	found := make(map[string]bool)
	err := eachKey(dec, maxFields, func(dec *json.Decoder, key string) (err error) {
		found[key] = true
		switch key {
		case "dtype":
			var name string
			if name, err = readString(dec); err == nil {
				var ok bool
				if e.dtype, ok = dtypeByName(name); !ok {
					return fmt.Errorf("unknown dtype %s", quote(name))
				}
			}
		case "shape":
			dims, err = readCounts(dec)
		case "data_offsets":
			offsets, err = readCounts(dec)
		default:
			err = skipValue(dec)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", quote(key), err)
		}
		return nil
	})
	if err != nil {
		return entry{}, err
	}
	for _, key := range []string{"dtype", "shape", "data_offsets"} {
		if !found[key] {
			return entry{}, fmt.Errorf("no %s", key)
		}
	}
	if len(offsets) != 2 {
		return entry{}, fmt.Errorf("data_offsets has %d numbers, not 2", len(offsets))
	}
	e.begin, e.end = offsets[0], offsets[1]
	if e.begin > e.end {
		return entry{}, fmt.Errorf("data_offsets end at %d, before they begin at %d", e.end, e.begin)
	}
	size, err := byteSize(e.dtype, dims)
	if err != nil {
		return entry{}, err
	}
	if size != e.end-e.begin {
		return entry{}, fmt.Errorf("%s of shape %v takes %d bytes, but data_offsets span %d", e.dtype, dims, size, e.end-e.begin)
	}
	for _, d := range dims {
		e.shape = append(e.shape, int(d))
	}
	return e, nil
}

// checkLayout verifies that the tensors cover the bytes after the header, dataStart to fileSize, without overlap, hole or rest.
func checkLayout(path string, entries []entry, dataStart, fileSize int64) error {
	if len(entries) == 0 {
		return fileError(ErrMalformed, path, "the header names no tensors")
	}
	var end int64
	for _, e := range entries {
		if e.begin < end {
			return tensorError(ErrMalformed, path, e.name, "its bytes begin at %d, inside another tensor that ends at %d", e.begin, end)
		}
		if e.begin > end {
			return tensorError(ErrMalformed, path, e.name, "%d bytes before it belong to no tensor", e.begin-end)
		}
		end = e.end
	}
	have := fileSize - dataStart
	if have > end {
		return fileError(ErrMalformed, path, "the file is %d bytes, but its header describes %d: %d extra bytes at the end",
			fileSize, dataStart+end, have-end)
	}
	for _, e := range entries {
		if e.end > have {
			return tensorError(ErrTruncated, path, e.name, "%w: the file is %d bytes, %d short of what its header describes",
				ErrTruncated, fileSize, end-have)
		}
	}
	return nil
}

// maxDims is the most dimensions a tensor may have, as in torch.
const maxDims = 64

// byteSize returns the bytes that a tensor takes, if all counts that derive from its shape can be computed without overflow.
func byteSize(d DType, dims []int64) (int64, error) {
	if len(dims) > maxDims {
		return 0, fmt.Errorf("%d dimensions, more than %d", len(dims), maxDims)
	}
	const limit = 1 << 55 // elements; times 128 bits this still fits 63
	nonzero, elements := int64(1), int64(1)
	for _, n := range dims {
		if n > 0 && nonzero > limit/n {
			return 0, fmt.Errorf("shape %v is too large for any file", dims)
		}
		nonzero *= max(n, 1) // so that a zero does not hide an overflow of the other dimensions
		elements *= n
	}
	bits := elements * d.bits()
	if bits%8 != 0 {
		return 0, errors.New("its elements do not fill whole bytes")
	}
	return bits / 8, nil
}
