package engine

import (
	"slices"
	"time"
)

// idleAfter is how long no pass runs before a store counts as idle: between two tokens of a text it is less. An idle store goes on to fill the cache.
const idleAfter = 100 * time.Millisecond

// lull is what a store knows of the time between passes.
type lull struct {
	between bool      // no pass runs
	since   time.Time // the last one ended
	timer   *time.Timer
	armed   bool // the timer is going to call lookIdle
	fillers int  // threads that fill the cache where a ring reads
}

// passBegins and passEnded enclose the passes that follow each other without a pause: between them the engine's callers have all they asked for.
func (s *streamedStore) passBegins() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lull.between {
		s.lull.between = false
		s.reapLate()
	}
}

func (s *streamedStore) passEnded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lull.between, s.lull.since = true, time.Now()
	if s.ring != nil {
		s.send()
	}
	s.arm(idleAfter)
}

// arm has lookIdle called after a time, unless it is going to be called already: a timer that is set at every token would wake a thread at every token.
func (s *streamedStore) arm(after time.Duration) {
	switch {
	case s.lull.armed || s.closed:
		return
	case s.lull.timer == nil:
		s.lull.timer = time.AfterFunc(after, s.lookIdle)
	default:
		s.lull.timer.Reset(after)
	}
	s.lull.armed = true
}

// lookIdle does what nobody else does while no pass runs: it fills the cache, and notes what a ring has brought.
func (s *streamedStore) lookIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lull.armed = false
	if s.closed || !s.lull.between {
		return
	}
	if left := idleAfter - time.Since(s.lull.since); left > 0 {
		s.arm(left)
		return
	}
	s.running = false
	if s.ring != nil {
		s.reapLate()
		if s.ring.err == nil && s.ring.inFlight() > 0 {
			s.arm(idleAfter)
		}
	}
	s.fillFree()
}

// reapLate notes the pieces that have come since the last pass, of which nobody saw when they did: the pause is not counted as time of the disk.
func (s *streamedStore) reapLate() {
	if s.ring != nil && s.ring.queue.Ready() {
		s.stats.disk.skip(s.lull.since)
		s.reap()
	}
}

// fillFree has threads fill free slots until something is wanted.
func (s *streamedStore) fillFree() {
	if s.ring == nil {
		s.rouse(len(s.sweep))
		return
	}
	for s.lull.fillers < min(s.depth, len(s.sweep)) && !s.closed && slices.Contains(s.slots, slotFree) {
		s.lull.fillers++
		s.workers.Go(s.fill)
	}
}
