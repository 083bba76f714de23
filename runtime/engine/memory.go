package engine

import (
	"fmt"
	"sync/atomic"
	"unsafe"
)

// purpose is what memory outside Go's heap is for.
type purpose int

const (
	forDense   purpose = iota // weights that every token reads, and the routers of guesses
	forExperts                // the expert store's block: its slots, and a batch's activations where experts have their memory meanwhile
	forKV                     // KV caches
	forWorking                // activations of passes, but for a batch's in that block
	numPurposes
)

// memory counts what an engine takes outside Go's heap, by purpose: the budget shares out what is counted here.
type memory struct{ taken [numPurposes]atomic.Int64 }

// block is memory outside the Go heap, aligned to pages, that takes none until it is written to.
type block struct {
	data    []byte
	owner   *memory
	purpose purpose
}

func (m *memory) newBlock(p purpose, n int64) (*block, error) {
	data, err := mapMemory(int(n))
	if err != nil {
		return nil, fmt.Errorf("reserve %d bytes of memory: %w", n, err)
	}
	m.taken[p].Add(n)
	return &block{data, m, p}, nil
}

func (b *block) bytes() []byte { return b.data }

// free gives the memory back. Nothing may use it any more.
func (b *block) free() {
	if b == nil || b.data == nil {
		return
	}
	b.owner.taken[b.purpose].Add(-int64(len(b.data)))
	unmapMemory(b.data)
	b.data = nil
}

// arena cuts one block into slices. Without a block it only counts: what is built with it then tells how much it takes.
type arena struct {
	data []byte
	used int64
}

// arenaAlignment is that of a cache line.
const arenaAlignment = 64

// take returns n zero values; nil while the arena only counts.
func take[T int8 | int32 | float32 | byte](a *arena, n int) []T {
	var zero T
	size := (int64(n)*int64(unsafe.Sizeof(zero)) + arenaAlignment - 1) / arenaAlignment * arenaAlignment
	from := a.used
	a.used += size
	if a.data == nil || n == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&a.data[from])), n)
}
