//go:build unix

package engine

import (
	goruntime "runtime"

	"golang.org/x/sys/unix"
)

// mapMemory returns private memory, in pages of 2 MiB where the system has them: they take less time to look up.
func mapMemory(n int) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err == nil && goruntime.GOOS == "linux" {
		const madvHugepage = 14
		_ = unix.Madvise(b, madvHugepage)
	}
	return b, err
}

func unmapMemory(b []byte) { _ = unix.Munmap(b) }

// discard gives the pages of b back to the operating system. Their content is lost.
func discard(b []byte) {
	advice := unix.MADV_DONTNEED
	if goruntime.GOOS != "linux" {
		advice = unix.MADV_FREE
	}
	_ = unix.Madvise(b, advice)
}
