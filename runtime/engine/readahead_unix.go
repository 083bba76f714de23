//go:build unix

package engine

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// readAhead asks the operating system to read n bytes of a mapped file, from offset on, soon. It is a hint: if it fails,
// pages are read when they are touched.
func readAhead(mapped []byte, offset, n int64) {
	page := int64(os.Getpagesize())
	from := offset / page * page
	_ = unix.Madvise(mapped[from:offset+n], unix.MADV_WILLNEED)
}

// leave takes the whole pages within a part of a mapped file out of the page tables: they are not counted as the process's any more, and come back
// when they are touched.
func leave(part []byte) {
	page := os.Getpagesize()
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(part)))) & (page - 1)
	if n := (len(part) - skip) / page * page; n > 0 {
		_ = unix.Madvise(part[skip:][:n], unix.MADV_DONTNEED)
	}
}
