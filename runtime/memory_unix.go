//go:build unix && !linux

package runtime

import "golang.org/x/sys/unix"

func hugePages([]byte) {}

// discard gives the pages of b back to the operating system. Their content is lost.
func discard(b []byte) { _ = unix.Madvise(b, unix.MADV_FREE) }
