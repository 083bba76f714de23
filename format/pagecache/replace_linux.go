package pagecache

import (
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Whole returns the largest part of a mapping that lies in whole large pieces of addresses: what [Replace] takes. It is empty if there is none.
func Whole(mapped []byte) (from, to int) {
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(mapped)))) & (Piece - 1)
	if n := (len(mapped) - skip) / Piece * Piece; n > 0 {
		return skip, skip + n
	}
	return 0, 0
}

// Replace puts a copy of a part of a mapped file in the place of the mapping: private memory that is not the file's, in large pieces where the system
// has them. The part is of whole pieces (see [Whole]), and offset is where it begins in the file. The bytes and their addresses stay the same, also for
// those who read them meanwhile; later changes of the file are not seen any more. After an error the mapping is as it was.
func Replace(f *os.File, offset int64, part []byte) error {
	n := uintptr(len(part))
	at := unsafe.Pointer(unsafe.SliceData(part))
	if n == 0 || n%Piece != 0 || uintptr(at)%Piece != 0 {
		return fmt.Errorf("a part of %d bytes at %p: %w", n, at, errors.ErrUnsupported)
	}
	// The memory is aligned by taking more and giving the ends back.
	raw, err := unix.MmapPtr(-1, 0, nil, n+Piece, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return err
	}
	skip := -uintptr(raw) & (Piece - 1)
	if skip > 0 {
		_ = unix.MunmapPtr(raw, skip)
	}
	fresh := unsafe.Add(raw, skip)
	if rest := Piece - skip; rest > 0 {
		_ = unix.MunmapPtr(unsafe.Add(fresh, n), rest)
	}
	copied := unsafe.Slice((*byte)(fresh), n)
	_ = unix.Madvise(copied, unix.MADV_HUGEPAGE)
	_, err = io.ReadFull(io.NewSectionReader(f, offset, int64(n)), copied)
	if err == nil {
		err = unix.Mprotect(copied, unix.PROT_READ)
	}
	if err == nil {
		_, err = unix.MremapPtr(fresh, n, at, n, unix.MREMAP_MAYMOVE|unix.MREMAP_FIXED)
	}
	if err != nil {
		_ = unix.MunmapPtr(fresh, n)
	}
	return err
}
