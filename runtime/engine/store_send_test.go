package engine

import (
	"sync"
	"testing"

	"st/format"
	"st/runtime/experts"
)

// sentQueue is an io_uring that notes how many of its reads were begun. None of them ends.
type sentQueue struct {
	timedQueue
	queued, sent int
}

func (q *sentQueue) Read(int, []byte, int64, uint64) bool { q.queued++; return true }
func (q *sentQueue) Submit() error                        { q.sent = q.queued; return nil }
func (q *sentQueue) Ready() bool                          { return false }

// A read that a pass asks for begins in its next job that other threads share, before the pass waits, or at its end; and where no other threads are, at
// once.
func TestReadsBeginWhileOthersCompute(t *testing.T) {
	for _, tt := range []struct {
		name    string
		threads int
		then    func(t *testing.T, s *streamedStore)
		sent    int
	}{
		{"nothing yet", 2, func(*testing.T, *streamedStore) {}, 0},
		{"one thread", 1, func(*testing.T, *streamedStore) {}, 1},
		{"a job of this thread alone", 2, func(_ *testing.T, s *streamedStore) { s.poll(false) }, 0},
		{"a job", 2, func(_ *testing.T, s *streamedStore) { s.poll(true) }, 1},
		{"the end of the pass", 2, func(_ *testing.T, s *streamedStore) { s.passEnded() }, 1},
		{"nothing to compute", 2, func(t *testing.T, s *streamedStore) {
			s.want(0, 1, []chosenExpert{{weights: &expertWeights{record: s.experts[0].record}}})
			if ready, err := s.look(nil); len(ready) > 0 || err != nil {
				t.Errorf("%d experts have come: %v", len(ready), err)
			}
		}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var m memory
			block, err := m.newBlock(forExperts, 4096)
			if err != nil {
				t.Fatal(err)
			}
			defer block.free()
			q := &sentQueue{}
			s := &streamedStore{storeSpace: storeSpace{slotSize: 4096, own: 1}, block: block, slots: []int32{slotFree}, usable: 1, perLayer: 1, depth: 2,
				pool: &pool{threads: tt.threads}, ring: newRingReads(q, 0, 4, 2), experts: []residence{{record: &format.Record{Length: 4096}, slot: -1}},
				scores: experts.NewScores(1, 1, experts.OfChances...), stats: &counters{}, stopped: make(chan struct{})}
			s.work, s.idle = sync.NewCond(&s.mu), sync.NewCond(&s.mu)
			s.passBegins()
			s.expect(0, []int32{0})
			tt.then(t, s)
			if q.queued != 1 || q.sent != tt.sent {
				t.Errorf("%d of %d reads were begun, want %d of 1", q.sent, q.queued, tt.sent)
			}
			s.stop()
		})
	}
}
