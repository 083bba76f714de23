package runtime

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"st/runtime/kernel"
)

// Bandwidth returns the bytes a second that this many threads read from memory together, the best of several passes over a
// buffer that no cache holds.
func Bandwidth(threads int) (float64, error) {
	const (
		size   = 1 << 30
		passes = 8
		chunk  = 1 << 18
	)
	if err := kernel.Select(os.Getenv("ST_ISA")); err != nil {
		return 0, fmt.Errorf("ST_ISA: %w", err)
	}
	p := newPool(threads)
	defer p.close()
	data := make([]byte, size)
	for i := 0; i < size; i += 4096 {
		data[i] = 1 // a page that was never written is not memory yet
	}
	var best float64
	var sum atomic.Uint64
	for range passes {
		begin := time.Now()
		err := p.split(size/chunk, 16, func(_, from, to int) { sum.Add(kernel.Read(data[from*chunk : to*chunk])) })
		if err != nil {
			return 0, err
		}
		best = max(best, size/time.Since(begin).Seconds())
	}
	if want := uint64(passes * size / 4096); sum.Load() != want {
		return 0, fmt.Errorf("memory gave %d where %d was written", sum.Load(), want)
	}
	return best, nil
}
