//go:build !unix

package engine

import mmap "github.com/edsrzf/mmap-go"

func mapMemory(n int) ([]byte, error) { return mmap.MapRegion(nil, n, mmap.RDWR, mmap.ANON, 0) }

func unmapMemory(b []byte) {
	m := mmap.MMap(b)
	_ = m.Unmap()
}

// discard does nothing: b stays allocated, and the operating system may move it to its page file.
func discard([]byte) {}
