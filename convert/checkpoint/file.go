package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// file is an open weight file. Reads are positional, so that one file serves many goroutines; tests put failing files in its
// place.
type file interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// opener opens the file at path for reading.
type opener func(path string) (file, error)

type osFile struct {
	*os.File
	size int64
}

func (f osFile) Size() int64 { return f.size }

func openOS(path string) (file, error) {
	// To open a pipe would wait for somebody to write to it.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: no such file: %s: %w", path, downloadAgain, fs.ErrNotExist)
		}
		return nil, fmt.Errorf("%s: cannot open: %w", path, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: cannot open: %w", path, err)
	}
	return osFile{f, info.Size()}, nil
}

// readFull fills buf from offset off. Sizes are checked before anything is read, so a file that ends early was cut while in use.
func readFull(f file, buf []byte, off int64) error {
	n, err := f.ReadAt(buf, off)
	switch {
	case n == len(buf):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return fmt.Errorf("the file ended %d bytes into a read of %d at offset %d: was it changed while being read? (%w)",
			n, len(buf), off, io.ErrUnexpectedEOF)
	default:
		return fmt.Errorf("reading %d bytes at offset %d: %w", len(buf), off, err)
	}
}

// head returns the first bytes of a file, at most n, after refusing the things that downloads commonly leave in the place of
// a file.
func head(path string, f file, n int64) ([]byte, error) {
	buf := make([]byte, min(n, f.Size()))
	if len(buf) == 0 {
		return nil, fmt.Errorf("%s: the file is empty: %s", path, downloadAgain)
	}
	if err := readFull(f, buf, 0); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if bytes.HasPrefix(buf, []byte("version https://git-lfs.github.com/spec/")) {
		return nil, fmt.Errorf("%s: a Git LFS pointer, not the file itself: run `git lfs pull` in its repository", path)
	}
	text := bytes.ToLower(bytes.TrimLeft(buf, "\ufeff \t\r\n"))
	if bytes.HasPrefix(text, []byte("<!doctype")) || bytes.HasPrefix(text, []byte("<html")) {
		return nil, fmt.Errorf("%s: a web page, not the file itself (a download without access?): %s", path, downloadAgain)
	}
	return buf, nil
}

// readAll returns a whole file of at most limit bytes.
func readAll(path string, f file, limit int64) ([]byte, error) {
	if f.Size() > limit {
		return nil, fmt.Errorf("%s: %d bytes, more than the %d such a file may have: %s", path, f.Size(), limit, downloadAgain)
	}
	return head(path, f, limit)
}
