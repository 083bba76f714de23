package engine

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
)

func TestBufferSize(t *testing.T) {
	const mib = 1 << 20
	for allowed, want := range map[int64]int64{
		0:                 1 << 30, // not known
		64 << 30:          1 << 30,
		4 << 30:           1 << 30,
		256 * mib:         64 * mib,
		1:                 16 * mib, // the least that means anything
		256*mib + 1234567: 64*mib + 1<<18,
	} {
		if got := bufferSize(allowed); got != want || got%bandwidthChunk != 0 {
			t.Errorf("%d bytes are allowed: the buffer has %d, want %d", allowed, got, want)
		}
	}
}

// Each number of threads has a speed, and the buffer that is told is the one that was read.
func TestBandwidth(t *testing.T) {
	speed, err := measureBandwidth(t.Context(), bandwidthLeast, 1, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	if len(speed.BytesPerSecond) != 3 || slices.Min(speed.BytesPerSecond) <= 0 || speed.Buffer != bandwidthLeast {
		t.Errorf("%+v", speed)
	}
}

// Who interrupts a measurement does not wait until a gibibyte is written or read.
func TestBandwidthIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	data := make([]byte, bandwidthChunk)
	if err := touch(ctx, data); !errors.Is(err, context.Canceled) || bytes.ContainsRune(data, 1) {
		t.Errorf("writing: %v, and something was written: %t", err, bytes.ContainsRune(data, 1))
	}
	if _, err := bandwidth(ctx, data, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("reading: %v", err)
	}
	if err := touch(t.Context(), data); err != nil || bytes.Count(data, []byte{1}) != bandwidthChunk/4096 {
		t.Errorf("not interrupted: %v, and %d pages are written", err, bytes.Count(data, []byte{1}))
	}
}
