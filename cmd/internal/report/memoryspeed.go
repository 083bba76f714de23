package report

import (
	"context"
	"sync"

	"st/runtime/engine"
)

var measured struct {
	sync.Mutex
	speed *engine.MemorySpeed
}

// memorySpeed measures how fast the physical cores read memory together, once in a process: it takes a second and up to 1 GiB.
func memorySpeed(ctx context.Context) (bytesPerSecond float64, buffer int64, err error) {
	measured.Lock()
	defer measured.Unlock()
	if measured.speed == nil {
		if measured.speed, err = engine.Bandwidth(ctx, engine.PhysicalCores()); err != nil {
			return 0, 0, err
		}
	}
	return measured.speed.BytesPerSecond[0], measured.speed.Buffer, nil
}
