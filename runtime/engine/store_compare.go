package engine

import (
	"math/bits"

	"github.com/zeebo/xxh3"
)

// compare compares a part of what has come with its checksum, first of what is wanted, and reports whether there was any.
func (s *streamedStore) compare() bool {
	s.mu.Lock()
	id, data := s.toCompare()
	if id < 0 {
		s.mu.Unlock()
		return false
	}
	r, e := s.ring, &s.experts[id]
	turn := e.turn
	if e.sum == nil {
		if n := len(r.sums); n > 0 {
			e.sum, r.sums = r.sums[n-1], r.sums[:n-1]
			e.sum.Reset()
		} else {
			e.sum = xxh3.New()
		}
	}
	sum := e.sum
	e.sum = nil // while it is in use here
	s.mu.Unlock()
	_, _ = sum.Write(data)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.turn != turn || e.state == absent { // it was given up meanwhile
		r.keep(sum)
		return true
	}
	e.compared += int64(len(data))
	if e.sum = sum; e.state == arrived && e.compared == e.record.Length {
		var err error
		if sum.Sum64() != e.record.Checksum {
			err = s.reader.Mismatch(e.record)
		}
		s.shut(id)
		s.checked(e, err)
	}
	return true
}

// toCompare returns what is to be compared next. −1: nothing.
func (s *streamedStore) toCompare() (int32, []byte) {
	found := int32(-1)
	var data []byte
	for _, id := range s.ring.open {
		e := &s.experts[id]
		if !e.check || found >= 0 && !e.wanted {
			continue
		}
		come := min(int64(bits.TrailingZeros64(^e.came))*partBytes(e.record), e.record.Length)
		if n := min(come-e.compared, sumBytes); n > 0 {
			found, data = id, s.slot(e.slot)[e.compared:][:n]
			if e.wanted {
				break
			}
		}
	}
	if found < 0 {
		s.ring.news.Store(false)
	}
	return found, data
}

// compareAll compares arrived experts, which are wanted, with their checksums, on all threads. The store is not locked.
func (s *streamedStore) compareAll() error {
	s.mu.Lock()
	for _, id := range s.unchecked {
		s.experts[id].compared = s.experts[id].record.Length // which keeps poll from it
	}
	s.mu.Unlock()
	s.faults = append(s.faults[:0], make([]error, len(s.unchecked))...)
	if err := s.pool.each(len(s.unchecked), &s.doCheck); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, id := range s.unchecked {
			s.experts[id].compared = 0
		}
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, id := range s.unchecked {
		s.shut(id)
		s.checked(&s.experts[id], s.faults[i])
	}
	return nil
}

func (s *streamedStore) doCompare(_, from, to int) {
	for i := from; i < to; i++ {
		e := &s.experts[s.unchecked[i]]
		s.faults[i] = s.reader.Check(e.record, s.slot(e.slot)[:e.record.Length]) // this brings it into the cache, from where it is computed with
	}
}
