package engine

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"st/runtime/kernel"
)

// Bandwidth returns the bytes a second that each number of threads reads from memory together, the best of several passes
// over a buffer that no cache holds.
func Bandwidth(ctx context.Context, threads ...int) ([]float64, error) {
	if err := kernel.Err(); err != nil {
		return nil, err
	}
	b, err := new(memory).newBlock(forWorking, 1<<30)
	if err != nil {
		return nil, err
	}
	defer b.free()
	data := b.bytes()
	for i := 0; i < len(data); i += 4096 {
		data[i] = 1 // a page that was never written is not memory yet
	}
	var all []float64
	for _, n := range threads {
		speed, err := bandwidth(ctx, data, n)
		if err != nil {
			return nil, err
		}
		all = append(all, speed)
	}
	return all, nil
}

func bandwidth(ctx context.Context, data []byte, threads int) (float64, error) {
	const (
		passes = 8
		chunk  = 1 << 18
	)
	p := newPool(threads)
	defer p.close()
	size := len(data)
	var best float64
	var sum atomic.Uint64
	read := task(func(_, from, to int) { sum.Add(kernel.Read(data[from*chunk : to*chunk])) })
	for range passes {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		begin := time.Now()
		if err := p.split(size/chunk, 16, &read); err != nil {
			return 0, err
		}
		best = max(best, float64(size)/time.Since(begin).Seconds())
	}
	if want := uint64(passes * size / 4096); sum.Load() != want {
		return 0, fmt.Errorf("memory gave %d where %d was written", sum.Load(), want)
	}
	return best, nil
}
