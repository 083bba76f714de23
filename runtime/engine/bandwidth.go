package engine

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"st/runtime/kernel"
)

// MemorySpeed is how fast memory is read.
type MemorySpeed struct {
	// BytesPerSecond is the speed of each number of threads that was asked for, the best of several passes over a buffer.
	BytesPerSecond []float64
	// Buffer is the size of the buffer in bytes. In a buffer that fits in a CPU cache the cache is measured, not memory.
	Buffer int64
}

// The buffer is far larger than caches are, where memory allows it. A process that has a quarter of its memory left is not pushed out
// by it.
const (
	bandwidthBuffer = 1 << 30
	bandwidthShare  = 4
	bandwidthLeast  = 16 << 20
	bandwidthChunk  = 1 << 18
)

// Bandwidth measures how fast numbers of threads read memory together. The buffer takes 1 GiB, and at most a quarter of what
// [AllowedMemory] allows. A buffer that cannot be allocated is halved, down to 16 MiB.
func Bandwidth(ctx context.Context, threads ...int) (*MemorySpeed, error) {
	if err := kernel.Err(); err != nil {
		return nil, err
	}
	allowed, _ := AllowedMemory()
	return measureBandwidth(ctx, bufferSize(allowed), threads...)
}

// measureBandwidth is Bandwidth with a buffer of so many bytes at most.
func measureBandwidth(ctx context.Context, size int64, threads ...int) (*MemorySpeed, error) {
	b, size, err := allocateBuffer(size)
	if err != nil {
		return nil, err
	}
	defer b.free()
	data := b.bytes()[:size]
	if err := touch(ctx, data); err != nil {
		return nil, err
	}
	speed := &MemorySpeed{Buffer: size}
	for _, n := range threads {
		v, err := bandwidth(ctx, data, n)
		if err != nil {
			return nil, err
		}
		speed.BytesPerSecond = append(speed.BytesPerSecond, v)
	}
	return speed, nil
}

// touch writes to every page: one that was never written is not memory yet. The system may take seconds to find so much.
func touch(ctx context.Context, data []byte) error {
	for i := 0; i < len(data); i += 4096 {
		if i%bandwidthChunk == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		data[i] = 1
	}
	return nil
}

// bufferSize returns the bytes of the buffer, whole chunks, where so much memory is allowed; 0: that is not known.
func bufferSize(allowed int64) int64 {
	if allowed <= 0 {
		return bandwidthBuffer
	}
	return max(bandwidthLeast, min(bandwidthBuffer, allowed/bandwidthShare/bandwidthChunk*bandwidthChunk))
}

// allocateBuffer takes less than size bytes where a limit on address space refuses them.
func allocateBuffer(size int64) (*block, int64, error) {
	for {
		b, err := new(memory).newBlock(forWorking, size)
		if err == nil || size/2 < bandwidthLeast {
			return b, size, err
		}
		size = size / 2 / bandwidthChunk * bandwidthChunk
	}
}

func bandwidth(ctx context.Context, data []byte, threads int) (float64, error) {
	const passes = 8
	const enough = 3 * time.Second // a machine that is that slow, or busy, is measured by fewer passes
	p := newPool(threads)
	defer p.close()
	size := len(data)
	var best float64
	var sum atomic.Uint64
	read := task(func(_, from, to int) {
		for i := from; i < to && ctx.Err() == nil; i++ {
			sum.Add(kernel.Read(data[i*bandwidthChunk : (i+1)*bandwidthChunk]))
		}
	})
	start, done := time.Now(), 0
	for done < passes && (done < 2 || time.Since(start) < enough) {
		begin := time.Now()
		if err := p.split(size/bandwidthChunk, 16, &read); err != nil {
			return 0, err
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		best = max(best, float64(size)/time.Since(begin).Seconds())
		done++
	}
	if want := uint64(done * size / 4096); sum.Load() != want {
		return 0, fmt.Errorf("memory gave %d where %d was written", sum.Load(), want)
	}
	return best, nil
}
