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
	ended    int64         // reads
}

// begin and end count n reads that start and n that have ended.
func (m *diskMeter) begin(n int) { m.count(n) }
func (m *diskMeter) end(n int)   { m.count(-n) }

func (m *diskMeter) count(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(time.Now())
	m.inFlight += n
	m.ended += int64(max(0, -n))
}

// skip leaves out the time since nobody looked whether reads had ended, but for as long as a read usually takes.
func (m *diskMeter) skip(since time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if m.ended > 0 {
		since = since.Add(m.total / time.Duration(m.ended))
	}
	if since.Before(now) {
		if since.After(m.changed) {
			m.advance(since)
		}
		m.changed = now
	}
}

// forget makes all times 0.
func (m *diskMeter) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.busy, m.total, m.ended, m.changed = 0, 0, 0, time.Now()
}

// advance counts the time from the last change until now.
func (m *diskMeter) advance(now time.Time) {
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
	m.advance(time.Now())
	return m.busy, m.total
}
