package textfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// Sentinel errors. Each is a part of a sentence that names the file.
var (
	// ErrNotText says that bytes are no text.
	ErrNotText = errors.New("it is not a text")
	// ErrTooLong says that a text has more bytes than may be read.
	ErrTooLong = errors.New("the text is too long")
)

// marks are byte order marks. That of UTF-32 begins as that of UTF-16 does.
var marks = []struct {
	name, mark string
	encoding   encoding.Encoding // nil: UTF-8
}{
	{"UTF-8", "\xef\xbb\xbf", nil},
	{"UTF-32", "\xff\xfe\x00\x00", utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)},
	{"UTF-32", "\x00\x00\xfe\xff", utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)},
	{"UTF-16", "\xff\xfe", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)},
	{"UTF-16", "\xfe\xff", unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)},
}

// Decode returns a text in UTF-8. The error wraps [ErrNotText] and says what is wrong.
func Decode(data []byte) (string, error) {
	for _, m := range marks {
		rest, ok := bytes.CutPrefix(data, []byte(m.mark))
		switch {
		case !ok:
			continue
		case m.encoding == nil:
			data = rest
		default:
			text, err := decode(rest, m.encoding)
			if err != nil {
				return "", fmt.Errorf("%w: it begins as %s does, and is not", ErrNotText, m.name)
			}
			return text, nil
		}
		break
	}
	text := string(data)
	if err := Check(text); err != nil {
		return "", err
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return "", fmt.Errorf("%w: it holds zero bytes; UTF-16 must begin with a byte order mark", ErrNotText)
	}
	return text, nil
}

// Check refuses what is no text in UTF-8, such as an argument of a command that was typed at a terminal of another encoding. The error wraps
// [ErrNotText].
func Check(text string) error {
	if !utf8.ValidString(text) {
		return fmt.Errorf("%w: it holds bytes that are not UTF-8", ErrNotText)
	}
	return nil
}

// decode decodes a text, which must be what its decoded text is encoded as: decoders replace what is not valid.
func decode(data []byte, e encoding.Encoding) (string, error) {
	text, err := e.NewDecoder().Bytes(data)
	if err != nil {
		return "", err
	}
	again, err := e.NewEncoder().Bytes(text)
	if err != nil {
		return "", err
	}
	if !bytes.Equal(again, data) {
		return "", ErrNotText
	}
	return string(text), nil
}

// Read reads a whole text from a file, which may be a pipe with a name. It does not wait for it when ctx ends. The error names the file.
// A text of more than most bytes is refused with [ErrTooLong], and not read to its end; 0: any length.
func Read(ctx context.Context, path string, most int64) (string, error) {
	return read(ctx, path, func() ([]byte, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return readAll(f, most)
	})
}

// ReadFrom is Read of what has a name and is open already.
func ReadFrom(ctx context.Context, r io.Reader, name string, most int64) (string, error) {
	return read(ctx, name, func() ([]byte, error) { return readAll(r, most) })
}

// readAll reads to the end, or one byte more than is allowed.
func readAll(r io.Reader, most int64) ([]byte, error) {
	if most > 0 {
		r = io.LimitReader(r, most+1)
	}
	data, err := io.ReadAll(r)
	if err == nil && most > 0 && int64(len(data)) > most {
		return nil, ErrTooLong
	}
	return data, err
}

func read(ctx context.Context, name string, readAll func() ([]byte, error)) (string, error) {
	data, err := Wait(ctx, readAll)
	if err == ErrTooLong {
		err = fmt.Errorf("%s: %w", name, err)
	}
	if err != nil {
		return "", err
	}
	text, err := Decode(data)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return text, nil
}

// Wait calls f, which waits for a person or another program and cannot be interrupted, and returns what f does, or the context's error
// when that ends first; f goes on then.
func Wait[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := f()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
