package engine

import "sync/atomic"

// blocks tells, while threads compute the numbers of a job in any order, when all of a block of them are there: the thread that computes the last
// ones goes on with what follows from the block, so nobody waits for that. A block lies in the cache of one core at least in part, too.
type blocks struct {
	size    int            // of a block
	arrived []atomic.Int32 // by block: how many numbers are there; 0 again when all were
	do      func(block int)
}

func newBlocks(n int, do func(block int)) *blocks {
	return &blocks{arrived: make([]atomic.Int32, n), do: do}
}

// add tells that numbers [from, to) are there, of blocks that follow each other.
func (b *blocks) add(from, to int) {
	for from < to {
		i := from / b.size
		end := min(to, (i+1)*b.size)
		if b.arrived[i].Add(int32(end-from)) == int32(b.size) {
			b.arrived[i].Store(0)
			b.do(i)
		}
		from = end
	}
}

// reset forgets what a job that failed has left.
func (b *blocks) reset() {
	for i := range b.arrived {
		b.arrived[i].Store(0)
	}
}
