package engine

import "slices"

// stopRing has a ring that has failed begin nothing any more. What it did not begin is not in flight.
func (s *streamedStore) stopRing() {
	r := s.ring
	if r.stopped {
		return
	}
	r.stopped = true
	r.queue.Stop(func(number uint64) {
		p := r.pieces[number]
		r.free = append(r.free, int32(number))
		e := &s.experts[p.id]
		e.left--
		s.stats.endRead(p.begin, e.record, 0, p.why, e.cameAs(p.why))
	})
}

// replaceRing has threads read in place of a ring that has failed. It does so once nothing is in flight any more: that may still be written to its slots,
// and ends without the ring's help. What was not read to its end, or not compared with its checksum, is read again. The goroutine of a pass calls it.
func (s *streamedStore) replaceRing() {
	s.stopRing()
	r := s.ring
	if r.inFlight() > 0 || slices.ContainsFunc(r.open, func(id int32) bool { return s.experts[id].left > 0 }) { // a piece is read again
		return
	}
	for _, id := range slices.Clone(r.open) {
		e := &s.experts[id]
		if e.state == loading {
			s.ended()
		}
		s.shut(id)
		s.evict(e.slot)
		switch {
		case e.wanted:
			e.state, s.demand = queued, append(s.demand, id)
		case e.expected != 0:
			e.state, s.ahead = queued, append(s.ahead, id)
		}
	}
	s.ring = nil
	s.pool.meanwhile(nil)
	_ = r.queue.Close()
	for range s.depth {
		s.workers.Go(s.readAll)
	}
	if s.fallback != nil {
		go s.fallback() // which may ask the store
	}
}
