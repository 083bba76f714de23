package format

import (
	"io"
	"os"

	"st/format/outfile"
)

// File is what a Reader needs of the file it reads: tests put faults behind it.
type File interface {
	io.ReaderAt
	io.Closer
	// Size returns the file's length in bytes.
	Size() (int64, error)
}

// OutFile is what a Writer needs of the file it writes.
type OutFile = outfile.Target

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
