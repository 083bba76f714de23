package engine

import (
	"cmp"
	"slices"

	"st/format"
	"st/runtime/experts"
)

// warm fills the slots in one pass through the file, while nothing else is to be read: with the experts that were used most, if
// that is known, and else with the first ones, which the first batch is likely to need first. Slots that are lent come last, with those that were used
// least of these, and not before a batch has lent them: the first pass is nearly always a prompt, which would take them back.
func (s *streamedStore) warm(u *format.Usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	order := warmOrder(len(s.experts), u)
	for id, share := range usageShares(u) {
		s.scores.Seed(id, share, experts.SeedTokens)
		s.known = true
	}
	s.sweep = order[:min(len(order), s.own+s.lent)]
	slices.Sort(s.sweep[:min(len(s.sweep), s.own)])
	slices.Sort(s.sweep[min(len(s.sweep), s.own):])
	for _, id := range s.sweep {
		s.experts[id].state = queued
	}
	s.fillFree()
}

// warmOrder returns n experts in the order in which there is room for them while nothing else is to be read.
func warmOrder(n int, u *format.Usage) []int32 {
	order := make([]int32, n)
	for i := range order {
		order[i] = int32(i)
	}
	if u != nil {
		slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(u.Uses[b], u.Uses[a]) })
	}
	return order
}

// usageShares returns the shares of tokens that are known to use each expert; nil: nothing is known.
func usageShares(u *format.Usage) (shares []float64) {
	if u != nil && u.Tokens > 0 {
		for _, n := range u.Uses {
			shares = append(shares, float64(n)/float64(u.Tokens))
		}
	}
	return shares
}

// expect names experts that a later layer will probably want, the likeliest first. They are read when nothing is to be read that
// is wanted, and are not given up before that layer has spoken.
func (s *streamedStore) expect(layer int, experts []int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revise(layer, experts)
	for _, x := range experts {
		id := s.id(layer, int(x))
		e := &s.experts[id]
		if e.expected != 0 {
			continue
		}
		e.expected = int32(layer + 1)
		s.resume(id)
		s.expected = append(s.expected, id)
		if e.state == absent || e.state == queued {
			e.state = queued
			s.ahead = append(s.ahead, id)
		}
	}
	slices.SortStableFunc(s.ahead, func(a, b int32) int { return cmp.Compare(s.experts[a].expected, s.experts[b].expected) })
	s.rouseSoon(len(s.ahead))
}

// revise ends what was expected of a layer before and is not expected any more.
func (s *streamedStore) revise(layer int, experts []int32) {
	s.expected = slices.DeleteFunc(s.expected, func(id int32) bool {
		e := &s.experts[id]
		if int(e.expected) != layer+1 || e.wanted || slices.Contains(experts, id-s.id(layer, 0)) {
			return false
		}
		if e.expected = 0; e.state == queued {
			e.state = absent
		}
		s.shelve(id)
		return true
	})
	s.ahead = slices.DeleteFunc(s.ahead, func(id int32) bool { return s.experts[id].state != queued })
}

// drop makes experts free to be given up. Those that wait to be read are not read any more, unless they are expected.
func (s *streamedStore) drop(ids []int32) {
	for _, id := range ids {
		e := &s.experts[id]
		e.wanted, e.taken = false, false
		if e.state == queued && e.expected == 0 {
			e.state = absent
		}
		s.shelve(id)
	}
}

// forget ends what was expected of a layer, or of one before it: its router has spoken.
func (s *streamedStore) forget(layer int) {
	keep := s.expected[:0]
	for _, id := range s.expected {
		e := &s.experts[id]
		if int(e.expected) > layer+1 {
			keep = append(keep, id)
			continue
		}
		e.expected = 0
		if e.state == queued && !e.wanted {
			e.state = absent
		}
		s.shelve(id)
	}
	s.expected = keep
	s.ahead = slices.DeleteFunc(s.ahead, func(id int32) bool { return s.experts[id].state != queued || s.experts[id].wanted })
}
