package runtime

import (
	"fmt"

	mmap "github.com/edsrzf/mmap-go"
)

// block is memory outside the Go heap, aligned to pages, that takes none until it is written to.
type block struct{ mapped mmap.MMap }

func newBlock(n int64) (*block, error) {
	m, err := mmap.MapRegion(nil, int(n), mmap.RDWR, mmap.ANON, 0)
	if err != nil {
		return nil, fmt.Errorf("reserve %d bytes of memory: %w", n, err)
	}
	hugePages(m)
	return &block{m}, nil
}

func (b *block) bytes() []byte { return b.mapped }

// free gives the memory back.
func (b *block) free() { _ = b.mapped.Unmap() }
