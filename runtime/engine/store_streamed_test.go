package engine

import (
	"bytes"
	"sync"
	"testing"

	"st/format"
	"st/runtime/experts"
)

// What the KV cache takes from the experts is the end of their memory, in one piece: a hole in a page of 2 MiB would stay in memory. The
// experts that have to move keep their weights, and those of the lowest scores go.
func TestShrinkStore(t *testing.T) {
	const slotSize, count = 4096, 8
	var m memory
	block, err := m.newBlock(forExperts, count*slotSize)
	if err != nil {
		t.Fatal(err)
	}
	defer block.free()
	s := &streamedStore{storeSpace: storeSpace{slotSize: slotSize, own: count}, block: block, slots: make([]int32, count), usable: count, perLayer: count,
		experts: make([]residence, count), scores: experts.NewScores(1, count, experts.OfChances...)}
	s.work, s.idle = sync.NewCond(&s.mu), sync.NewCond(&s.mu)
	content := func(id int) []byte { return bytes.Repeat([]byte{byte('a' + id)}, slotSize) }
	for id := range count { // in the slot of its number; the higher the number, the higher the score
		s.experts[id] = residence{record: &format.Record{Length: slotSize}, state: resident, slot: int32(id)}
		s.slots[id] = int32(id)
		copy(s.slot(int32(id)), content(id))
		s.scores.Seed(id, float64(1+id)/count, experts.SeedTokens)
	}
	s.loaded.Store(count)

	check := func(usable int, kept ...int) {
		t.Helper()
		for i, id := range s.slots {
			if (id == slotGone) != (i >= usable) {
				t.Errorf("of %d usable slots, number %d has %d", usable, i, id)
			}
		}
		for _, id := range kept {
			e := &s.experts[id]
			if e.state != resident || s.slots[e.slot] != int32(id) || !bytes.Equal(s.slot(e.slot), content(id)) {
				t.Errorf("expert %d is %+v", id, e)
			}
		}
		if n := int(s.loaded.Load()); n != len(kept) {
			t.Errorf("%d experts are in memory, want %d", n, len(kept))
		}
	}
	for _, step := range []struct {
		n    int
		kept []int
	}{
		{8, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		{5, []int{3, 4, 5, 6, 7}},
		{2, []int{6, 7}},
		{6, []int{6, 7}}, // four slots are free again
		{5, []int{6, 7}},
		{9, []int{6, 7}}, // more than there were
	} {
		if err := s.resize(t.Context(), int64(step.n)*slotSize); err != nil {
			t.Fatal(err)
		}
		check(min(step.n, count), step.kept...)
	}
}
