package textfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"st/format/plaintext"
)

// ErrTooLong says that a text has more bytes than may be read. It is a part of a sentence that names the file.
var ErrTooLong = errors.New("the text is too long")

// Check is [plaintext.Check], of an argument.
func Check(text string) error { return plaintext.Check(text) }

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
	text, err := plaintext.Decode(data)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return string(text), nil
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
