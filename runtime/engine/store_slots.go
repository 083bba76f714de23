package engine

import (
	"context"
	"math"

	"st/runtime/experts"
)

// rate counts in the scores of a layer's experts how near each came to being chosen, by the router logits [n, experts]. The first tokens, so many,
// are of several sequences, or guesses of one: they are one step for the averages. The others follow each other.
func (s *streamedStore) rate(layer int, logits []float32, beside, topK int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for t := range len(logits) / s.perLayer {
		if t == 0 || t >= beside {
			s.scores.Advance(layer, 1)
		}
		for x, chance := range experts.Chances(s.chances, s.sorted, logits[t*s.perLayer:][:s.perLayer], topK) {
			s.scores.Use(int(s.id(layer, x)), float64(chance))
		}
	}
}

// vacate returns a free slot, after giving up the expert with the lowest score if there is none. It is −1 if all are in use.
// What is expected is given up for what is wanted only, and only if there is nothing else.
func (s *streamedStore) vacate(wanted bool) int32 {
	victim, least, spare := int32(-1), math.Inf(1), false
	for i, id := range s.slots {
		if id == slotFree {
			return int32(i)
		}
		if id == slotGone {
			continue
		}
		e := &s.experts[id]
		if e.state != resident && e.state != arrived || e.wanted {
			continue
		}
		if e.expected != 0 && !wanted {
			continue
		}
		if score, expected := s.scores.Value(int(id)), e.expected != 0; victim < 0 || spare && !expected || spare == expected && score < least {
			victim, least, spare = int32(i), score, expected
		}
	}
	if victim >= 0 {
		s.evict(victim)
	} else if id := s.idleRead(); id >= 0 && wanted {
		victim = s.experts[id].slot
		s.giveUp(id)
	}
	return victim
}

func (s *streamedStore) evict(slot int32) {
	e := &s.experts[s.slots[slot]]
	switch e.state {
	case resident:
		s.loaded.Add(-1)
	case arrived:
		s.shut(s.slots[slot])
	}
	e.state, e.slot, e.early = absent, -1, false
	s.slots[slot] = slotFree
}

// resize gives the slots beside those that are lent so many bytes, of what the store began with: it gives up experts, or takes slots back into use. It
// waits for reads into the slots that have to go, until ctx is cancelled. No pass may run meanwhile if there are to be fewer: slots are moved.
// The last slots go, and not those of the lowest scores, because what is given back lies together then: a page of 2 MiB with a hole is not given back, and
// the system may fill it again.
func (s *streamedStore) resize(ctx context.Context, bytes int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(s.lent+int(max(0, bytes)/s.slotSize), len(s.slots))
	for ; s.usable < n; s.usable++ {
		s.slots[s.usable] = slotFree
	}
	was := s.usable
	defer func() {
		if s.usable < was {
			discard(s.block.bytes()[s.at(s.usable):s.at(was)])
		}
	}()
	for ; s.usable > n; s.usable-- {
		if err := s.empty(ctx, int32(s.usable-1)); err != nil {
			return err
		}
	}
	s.fillSlots()
	return nil
}

// fillSlots has slots that are free read into.
func (s *streamedStore) fillSlots() {
	s.rouse(len(s.demand) + len(s.ahead) + len(s.sweep))
	if !s.running {
		s.fillFree()
	}
}

// empty takes a slot out of use, and what is in it to another one. It waits for a read into it, until ctx is cancelled.
func (s *streamedStore) empty(ctx context.Context, slot int32) error {
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.idle.Broadcast()
	})
	defer stop()
	s.shrinking = true
	defer func() { s.shrinking = false }()
	for !s.closed && !s.clear(slot) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.rest(ctx); err != nil && err != ErrClosed {
			return err
		}
	}
	if s.closed {
		return ErrClosed
	}
	s.slots[slot] = slotGone
	return nil
}

// clear empties a slot: the expert in it moves to the slot of the one with the lowest score. It reports false while something is read into it.
func (s *streamedStore) clear(slot int32) bool {
	id := s.slots[slot]
	if id == slotFree {
		return true
	}
	e := &s.experts[id]
	if e.state == loading {
		if s.ring == nil || e.left > 0 {
			return false
		}
		e.wanted = false
		s.giveUp(id)
		return true
	}
	e.wanted, e.taken = false, false // by a batch that failed
	to := s.vacate(true)
	if to != slot {
		copy(s.slot(to), s.slot(slot)[:e.record.Length])
		e.slot, s.slots[to] = to, id
	}
	return true
}
