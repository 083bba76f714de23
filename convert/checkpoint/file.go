package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// File is an open weight file. Reads are positional, so that one file serves many goroutines.
type File interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

type file = File

// Files is a place that has files: the disk, or a repository of a Hub. Paths are such as package filepath makes. The methods are those of
// package os; what Open returns an error about is a regular file.
type Files interface {
	Open(path string) (File, error)
	Stat(path string) (fs.FileInfo, error)
	Lstat(path string) (fs.FileInfo, error)
	ReadDir(dir string) ([]fs.DirEntry, error)
	ReadFile(path string) ([]byte, error)
}

// Disk is the disk.
var Disk Files = disk{openOS}

// disk opens files in a way of its own: tests have some that fail.
type disk struct {
	open func(path string) (File, error)
}

func (d disk) Open(path string) (File, error)          { return d.open(path) }
func (disk) Stat(path string) (fs.FileInfo, error)     { return os.Stat(path) }
func (disk) Lstat(path string) (fs.FileInfo, error)    { return os.Lstat(path) }
func (disk) ReadFile(path string) ([]byte, error)      { return os.ReadFile(path) }
func (disk) ReadDir(dir string) ([]fs.DirEntry, error) { return os.ReadDir(dir) }

type osFile struct {
	*os.File
	size int64
}

func (f osFile) Size() int64 { return f.size }

func openOS(path string) (file, error) {
	for _, suffix := range controlSuffixes {
		if _, err := os.Lstat(path + suffix); err == nil {
			return nil, fileError(ErrPartial, path, "%w: %s lies beside it", ErrPartial, path+suffix)
		}
	}
	// To open a pipe would wait for somebody to write to it.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fileError(ErrUnknown, path, "not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, openError(path, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		f.Close()
		return nil, openError(path, err)
	}
	return osFile{f, info.Size()}, nil
}

// openError is about a file that the operating system does not open. The error is the one of the link's target: a link of the Hub's
// cache may lead nowhere.
func openError(path string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return fileError(errRead, path, "cannot open: %w", cause(err))
	}
	if target, e := os.Readlink(path); e == nil {
		return fileError(fs.ErrNotExist, path, "a link to %s, which does not exist", target)
	}
	return fileError(fs.ErrNotExist, path, "no such file")
}

// cause drops the operation and path of a *PathError: the error around it names the file.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
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

// head returns the first bytes of a weight file, at most n, after refusing the things that downloads commonly leave in the place of one.
func head(path string, f file, n int64) ([]byte, error) {
	buf := make([]byte, min(n, f.Size()))
	if err := readFull(f, buf, 0); err != nil {
		return nil, fileError(errRead, path, "%w", err)
	}
	return buf, sniffWeights(path, buf[:min(sniffBytes, len(buf))], f.Size())
}

// readAll returns a whole file of at most limit bytes, which is JSON.
func readAll(path string, f file, limit int64) ([]byte, error) {
	if f.Size() > limit {
		return nil, fileError(ErrMalformed, path, "%d bytes, more than the %d such a file may have", f.Size(), limit)
	}
	buf := make([]byte, f.Size())
	if err := readFull(f, buf, 0); err != nil {
		return nil, fileError(errRead, path, "%w", err)
	}
	return buf, Sniff(path, buf[:min(sniffBytes, len(buf))], f.Size())
}
