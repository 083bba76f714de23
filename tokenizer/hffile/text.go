package hffile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// ErrNotText is about a file that is to be text and is not.
var ErrNotText = errors.New("it is not a text")

// Text returns a text in UTF-8. It drops a byte order mark, which editors on Windows write and Python's json module refuses, and decodes UTF-16
// that begins with one.
func Text(data []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}):
		return utf16Text(data[2:], binary.LittleEndian)
	case bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		return utf16Text(data[2:], binary.BigEndian)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	switch {
	case !utf8.Valid(data):
		return nil, fmt.Errorf("%w: it holds bytes that are not UTF-8", ErrNotText)
	case bytes.IndexByte(data, 0) >= 0:
		return nil, fmt.Errorf("%w: it holds zero bytes; UTF-16 must begin with a byte order mark", ErrNotText)
	}
	return data, nil
}

// utf16Text decodes UTF-16, in which surrogates must be pairs.
func utf16Text(data []byte, order binary.ByteOrder) ([]byte, error) {
	text := make([]byte, 0, len(data)/2)
	for len(data) >= 2 {
		r, size := rune(order.Uint16(data)), 2
		if utf16.IsSurrogate(r) {
			if size = 4; len(data) >= size {
				r = utf16.DecodeRune(r, rune(order.Uint16(data[2:])))
			}
			if utf16.IsSurrogate(r) || r == utf8.RuneError {
				r = 0
			}
		}
		if r == 0 { // no character of a text, or what surrogates that are no pair became
			break
		}
		text, data = utf8.AppendRune(text, r), data[size:]
	}
	if len(data) > 0 {
		return nil, fmt.Errorf("%w: it begins as UTF-16 does, and is not", ErrNotText)
	}
	return text, nil
}
