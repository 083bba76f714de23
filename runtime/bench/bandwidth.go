package bench

import (
	"context"

	"st/runtime/engine"
)

// Bandwidth is how fast memory is read.
type Bandwidth struct {
	Speeds []Speed `json:"read_bandwidth"`
	// Buffer is the size of what was read, in bytes.
	Buffer int64 `json:"read_buffer_bytes"`
}

// Speed is how fast a number of threads reads memory together.
type Speed struct {
	Threads        int     `json:"threads"`
	BytesPerSecond float64 `json:"bytes_per_second"`
}

// MeasureBandwidth measures how fast memory is read with 1, 2, 4, … threads up to the given number; 0 or less means one per physical core.
func MeasureBandwidth(ctx context.Context, threads int) (*Bandwidth, error) {
	if threads <= 0 {
		threads = engine.PhysicalCores()
	}
	var numbers []int
	for n := 1; n < threads; n *= 2 {
		numbers = append(numbers, n)
	}
	numbers = append(numbers, threads)
	speed, err := engine.Bandwidth(ctx, numbers...)
	if err != nil {
		return nil, err
	}
	b := &Bandwidth{Buffer: speed.Buffer}
	for i, n := range numbers {
		b.Speeds = append(b.Speeds, Speed{n, speed.BytesPerSecond[i]})
	}
	return b, nil
}
