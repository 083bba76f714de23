package format

import (
	"fmt"
	"os"
	"unsafe"
)

// directFile is a File that can be opened once more, for reads that leave nothing in the page cache.
type directFile interface {
	openDirect() (f File, direct bool, err error)
}

// Direct opens the file once more for reads of whole pages that leave nothing in the operating system's page cache: offsets,
// lengths and the buffers' addresses are to be multiples of [Alignment], as expert records are. Where the file system cannot
// do that, direct is false, and on Linux pages are dropped from the cache after they were read. A File that is not on disk is
// returned as it is. The caller closes what is not the Reader's own.
func (r *Reader) Direct() (f File, direct bool, err error) {
	d, ok := r.file.(directFile)
	if !ok {
		return unclosed{r.file}, true, nil
	}
	if f, direct, err = d.openDirect(); err != nil {
		return nil, false, fmt.Errorf("%s: open it for direct reads: %w", r.path, cause(err))
	}
	return f, direct, nil
}

// Descriptor returns the descriptor of a file that [Reader.Direct] opened for direct reads, which other means of reading take; ok is false for every
// other file.
func Descriptor(f File) (fd int, ok bool) {
	d, ok := f.(pastCache)
	if !ok {
		return 0, false
	}
	return int(d.Fd()), true
}

// pastCache is a file whose reads go past the page cache.
type pastCache struct{ osFile }

// unclosed is a File whose owner is somebody else.
type unclosed struct{ File }

func (unclosed) Close() error { return nil }

// reopen opens f's file a second time; it must still be the same.
func reopen(f *os.File, flags int) (*os.File, error) {
	again, err := os.OpenFile(f.Name(), os.O_RDONLY|flags, 0)
	if err != nil {
		return nil, err
	}
	a, err := f.Stat()
	if err == nil {
		var b os.FileInfo
		if b, err = again.Stat(); err == nil && !os.SameFile(a, b) {
			err = fmt.Errorf("the file was replaced while it was being opened")
		}
	}
	if err != nil {
		again.Close()
		return nil, err
	}
	return again, nil
}

// AlignedBytes returns n bytes that begin at a multiple of [Alignment], as direct reads need.
func AlignedBytes(n int64) []byte {
	b := make([]byte, n+Alignment)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(b))) & (Alignment - 1)
	return b[skip:][:n]
}
