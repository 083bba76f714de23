package format

import (
	"io"
	"os"
)

// File is what a Reader needs of the file it reads: tests put faults behind it.
type File interface {
	io.ReaderAt
	io.Closer
	// Size returns the file's length in bytes.
	Size() (int64, error)
}

// OutFile is what a Writer needs of the file it writes.
type OutFile interface {
	io.WriterAt
	io.Closer
	Sync() error
}

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// mappable is a File that the operating system can map into memory.
type mappable interface{ osFile() *os.File }

func (f osFile) osFile() *os.File { return f.File }
