package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zeebo/xxh3"

	"st/format"
	"st/runtime/experts"
)

// fillFirst has expert 0 read as warm does, and no other.
func fillFirst(s *streamedStore) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.experts[0].state, s.sweep = queued, []int32{0}
	s.fillSlots()
}

// What slots are filled with: those of a batch last, with what was used least, and not before they are lent; and where there is room for all, again with what a
// batch pushed out.
func TestFillLent(t *testing.T) {
	for _, tt := range []struct {
		name      string
		own       int
		uses      []int64
		first     []int32 // in own slots, while a batch has its memory
		then, end []int32 // when it is lent; after a batch, when it is lent again
	}{
		{"room for some", 2, []int64{1, 9, 5, 7}, []int32{1, 3}, []int32{1, 2, 3}, []int32{1, 3}},
		{"room for all", 3, []int64{1, 9, 5, 7}, []int32{1, 2, 3}, []int32{0, 1, 2, 3}, []int32{0, 1, 2, 3}},
		{"room for all, and nothing is known", 3, nil, []int32{0, 1, 2}, []int32{0, 1, 2, 3}, []int32{0, 1, 2, 3}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var m memory
			space := storeSpace{slotSize: 4096, batch: 3 * 4096, lent: 1, own: tt.own}
			block, err := m.newBlock(forExperts, space.at(1+tt.own))
			if err != nil {
				t.Fatal(err)
			}
			released := stalledFile{make(chan struct{})}
			close(released.release)
			const count = 4
			s := &streamedStore{storeSpace: space, reader: new(format.Reader), file: released, block: block, reclaimed: true, usable: 1 + tt.own,
				perLayer: count, depth: 1, experts: make([]residence, count), scores: experts.NewScores(1, count, experts.OfChances...), stats: &counters{},
				arrived: make(chan struct{}, 1), stopped: make(chan struct{})}
			s.work, s.idle = sync.NewCond(&s.mu), sync.NewCond(&s.mu)
			s.slots = slices.Repeat([]int32{slotFree}, s.usable)
			s.slots[0] = slotGone
			for id := range count {
				s.experts[id] = residence{record: &format.Record{Length: 4096, Expert: id, Checksum: xxh3.Hash(make([]byte, 4096))}, slot: -1}
			}
			s.workers.Go(s.readAll)
			var usage *format.Usage
			if tt.uses != nil {
				usage = &format.Usage{Tokens: 10, Uses: tt.uses}
			}
			check := func(when string, want []int32) {
				t.Helper()
				synctest.Wait()
				var got []int32
				for id := range s.experts {
					if s.experts[id].state == resident {
						got = append(got, int32(id))
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s: %s there are %v, want %v", tt.name, when, got, want)
				}
			}
			s.warm(usage)
			check("at first", tt.first)
			s.lend()
			check("when the memory is lent", tt.then)
			if err := s.reclaim(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.lend()
			check("when it is lent again", tt.end)
			s.stop()
			s.workers.Wait()
			s.block.free()
		})
	}
}

// A batch waits for what is being read into its memory, until it is cancelled; what came is kept where there is room.
func TestReclaimWaitsForReads(t *testing.T) {
	for _, tt := range []struct {
		name string
		ring bool
		read func(s *streamedStore) // begins to read expert 0
	}{
		{"threads", false, fillFirst},
		{"threads beside an io_uring", true, fillFirst},
		{"an io_uring", true, func(s *streamedStore) { s.expect(0, []int32{0}) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const count, took = 3, time.Second // experts, of which there is room for two
				var m memory
				space := storeSpace{slotSize: 4096, batch: 3 * 4096, lent: 1, own: 1}
				block, err := m.newBlock(forExperts, space.at(2))
				if err != nil {
					t.Fatal(err)
				}
				file := stalledFile{make(chan struct{})}
				s := &streamedStore{storeSpace: space, reader: new(format.Reader), file: file, block: block, slots: []int32{slotGone, slotFree}, reclaimed: true, usable: 2, pool: &pool{threads: 2},
					perLayer: count, depth: 1, experts: make([]residence, count), scores: experts.NewScores(1, count, experts.OfChances...), stats: &counters{},
					arrived: make(chan struct{}, 1), stopped: make(chan struct{})}
				s.work, s.idle = sync.NewCond(&s.mu), sync.NewCond(&s.mu)
				for id := range count {
					s.experts[id] = residence{record: &format.Record{Length: 4096, Expert: id, Checksum: xxh3.Hash(make([]byte, 4096))}, slot: -1}
				}
				if tt.ring {
					s.ring = newRingReads(&sleepyQueue{timedQueue{took: took}, make(chan struct{}, 1)}, 0, 4, 2)
				} else {
					s.workers.Go(s.readAll)
				}
				s.lend()
				tt.read(s)
				synctest.Wait()
				if s.slots[0] != 0 || s.experts[0].state != loading {
					t.Fatalf("slots have %v, and expert 0 is %+v", s.slots, s.experts[0])
				}
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(took/2, cancel)
				if err := s.reclaim(ctx); !errors.Is(err, context.Canceled) || s.reclaimed || s.slots[0] != 0 {
					t.Errorf("cancelled: %v, slots have %v", err, s.slots)
				}
				time.AfterFunc(took/4, func() { close(file.release) })
				if err := s.reclaim(t.Context()); err != nil || !s.reclaimed || !slices.Equal(s.slots, []int32{slotGone, 0}) || s.experts[0].slot != 1 {
					t.Errorf("%v, slots have %v, and expert 0 is %+v", err, s.slots, s.experts[0])
				}
				if n, batch := s.memory(); n != 4096 || batch != 3*4096 {
					t.Errorf("experts have %d bytes, a batch %d", n, batch)
				}
				s.lend()
				if n, batch := s.memory(); n != 2*4096 || batch != 2*4096 || !slices.Equal(s.slots, []int32{slotFree, 0}) {
					t.Errorf("lent: experts have %d bytes, a batch %d; slots have %v", n, batch, s.slots)
				}
				s.stop()
				if err := s.reclaim(t.Context()); err != ErrClosed {
					t.Errorf("closed: %v", err)
				}
				s.close()
			})
		})
	}
}
