//go:build unix

package engine

import (
	"os"

	"golang.org/x/sys/unix"
)

// readAhead asks the operating system to read n bytes of a mapped file, from offset on, soon. It is a hint: if it fails,
// pages are read when they are touched.
func readAhead(mapped []byte, offset, n int64) {
	page := int64(os.Getpagesize())
	from := offset / page * page
	_ = unix.Madvise(mapped[from:offset+n], unix.MADV_WILLNEED)
}
