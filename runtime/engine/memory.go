package engine

import "fmt"

// block is memory outside the Go heap, aligned to pages, that takes none until it is written to.
type block struct{ data []byte }

func newBlock(n int64) (*block, error) {
	data, err := mapMemory(int(n))
	if err != nil {
		return nil, fmt.Errorf("reserve %d bytes of memory: %w", n, err)
	}
	return &block{data}, nil
}

func (b *block) bytes() []byte { return b.data }

// free gives the memory back. Nothing may use it any more.
func (b *block) free() { unmapMemory(b.data) }
