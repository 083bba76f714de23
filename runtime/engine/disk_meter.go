package engine

import (
	"sync"
	"time"
)

// diskMeter measures how busy the disk is: for how long at least one read is in flight, and how long all reads take together.
type diskMeter struct {
	mu       sync.Mutex
	inFlight int
	changed  time.Time     // when inFlight did
	busy     time.Duration // with inFlight above 0
	total    time.Duration // of all reads
}

// begin and end count n reads that start and n that have ended.
func (m *diskMeter) begin(n int) { m.count(n) }
func (m *diskMeter) end(n int)   { m.count(-n) }

func (m *diskMeter) count(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance()
	m.inFlight += n
}

// advance counts the time since inFlight changed.
func (m *diskMeter) advance() {
	now := time.Now()
	if m.inFlight > 0 {
		d := now.Sub(m.changed)
		m.busy += d
		m.total += d * time.Duration(m.inFlight)
	}
	m.changed = now
}

// read returns the times up to now.
func (m *diskMeter) read() (busy, total time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance()
	return m.busy, m.total
}
