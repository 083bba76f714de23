package report

import (
	"context"
	"sync"

	"st/runtime/engine"
)

var measured struct {
	sync.Mutex
	speed *engine.MemorySpeed
	doubt string
}

// memorySpeed measures how fast the physical cores read memory together, once in a process: it takes a second or more, and up to 1 GiB.
func (m *measurement) memorySpeed(ctx context.Context) (bytesPerSecond float64, buffer int64, err error) {
	measured.Lock()
	defer measured.Unlock()
	if measured.speed == nil {
		var best *engine.MemorySpeed
		measured.doubt, err = m.repeat("memory", false, func() (float64, error) {
			speed, err := engine.Bandwidth(ctx, engine.PhysicalCores())
			if err != nil {
				return 0, err
			}
			if best == nil || speed.BytesPerSecond[0] > best.BytesPerSecond[0] {
				best = speed
			}
			return speed.BytesPerSecond[0], nil
		})
		if err != nil {
			return 0, 0, err
		}
		measured.speed = best
	}
	m.doubt(measured.doubt)
	return measured.speed.BytesPerSecond[0], measured.speed.Buffer, nil
}
