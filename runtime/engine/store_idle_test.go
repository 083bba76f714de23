package engine

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zeebo/xxh3"

	"st/format"
	"st/runtime/experts"
)

// timedQueue is an io_uring whose reads take a while.
type timedQueue struct {
	took  time.Duration
	ids   []uint64
	until []time.Time
}

func (q *timedQueue) Read(_ int, _ []byte, _ int64, id uint64) bool {
	q.ids, q.until = append(q.ids, id), append(q.until, time.Now().Add(q.took))
	return true
}

func (q *timedQueue) Ready() bool { return len(q.ids) > 0 && !time.Now().Before(q.until[0]) }

func (q *timedQueue) Completions(done func(id uint64, n int, err error)) (count int) {
	for ; q.Ready(); count++ {
		done(q.ids[0], 4096, nil)
		q.ids, q.until = q.ids[1:], q.until[1:]
	}
	return count
}

func (q *timedQueue) Submit() error        { return nil }
func (q *timedQueue) Stop(func(id uint64)) {}
func (q *timedQueue) Wait() error          { time.Sleep(time.Until(q.until[0])); return nil }
func (q *timedQueue) Wake()                {}
func (q *timedQueue) InFlight() int        { return len(q.ids) }
func (q *timedQueue) Close() error         { return nil }
func (q *timedQueue) pass(s *streamedStore, id int32, d time.Duration) {
	s.passBegins()
	s.expect(0, []int32{id})
	time.Sleep(d)
	s.poll(true)
	s.passEnded()
}

// sleepyQueue is an io_uring whose waits end with a read or a wake-up, and not before.
type sleepyQueue struct {
	timedQueue
	woken chan struct{}
}

func (q *sleepyQueue) Wake() {
	select {
	case q.woken <- struct{}{}:
	default:
	}
}

func (q *sleepyQueue) Wait() error {
	var ended <-chan time.Time
	if len(q.ids) > 0 {
		ended = time.After(time.Until(q.until[0]))
	}
	select {
	case <-ended:
	case <-q.woken:
	}
	return nil
}

// stalledFile holds zeros that can be read once release is closed.
type stalledFile struct{ release chan struct{} }

func (f stalledFile) ReadAt(p []byte, _ int64) (int, error) {
	<-f.release
	clear(p)
	return len(p), nil
}

func (stalledFile) Size() (int64, error) { return 1 << 20, nil }
func (stalledFile) Close() error         { return nil }

// A pass that waits for the only slot, into which the cache is being filled with another expert, goes on when that has come.
func TestFillWakesWhoWaitsForItsSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const count = 2
		var m memory
		block, err := m.newBlock(forExperts, 4096)
		if err != nil {
			t.Fatal(err)
		}
		q := &sleepyQueue{timedQueue{took: time.Millisecond}, make(chan struct{}, 1)}
		file := stalledFile{make(chan struct{})}
		s := &streamedStore{reader: new(format.Reader), file: file, storeSpace: storeSpace{slotSize: 4096, own: 1}, block: block, slots: []int32{slotFree}, usable: 1, perLayer: count, depth: 1,
			pool: &pool{threads: 2}, ring: newRingReads(q, 0, 4, 2), experts: make([]residence, count), scores: experts.NewScores(1, count, experts.OfChances...), stats: &counters{},
			arrived: make(chan struct{}, 1), stopped: make(chan struct{})}
		s.work, s.idle = sync.NewCond(&s.mu), sync.NewCond(&s.mu)
		for id := range count {
			s.experts[id] = residence{record: &format.Record{Length: 4096, Expert: id, Checksum: xxh3.Hash(make([]byte, 4096))}, slot: -1}
		}
		s.warm(nil)
		synctest.Wait() // expert 0 is being read
		s.want(0, 1, []chosenExpert{{weights: &expertWeights{record: s.experts[1].record}}})
		var ready []int
		done := make(chan struct{})
		go func() {
			defer close(done)
			ready, err = s.take(t.Context(), nil)
		}()
		synctest.Wait() // there is no slot for expert 1
		close(file.release)
		select {
		case <-done:
			if err != nil || len(ready) != 1 || s.experts[1].state != resident {
				t.Errorf("ready are %v of expert 1, which is %+v: %v", ready, s.experts[1], err)
			}
		case <-time.After(time.Hour):
			t.Error("the pass waits for a slot that is free")
			q.Wake()
			<-done
		}
		s.stop()
		s.close()
	})
}

// The disk is busy for as long as reads take, however long it lasts until somebody looks whether they have ended.
func TestDiskIsNotBusyInPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const count, took = 4, 3 * time.Millisecond
		var m memory
		block, err := m.newBlock(forExperts, count*4096)
		if err != nil {
			t.Fatal(err)
		}
		defer block.free()
		q := &timedQueue{took: took}
		s := &streamedStore{storeSpace: storeSpace{slotSize: 4096, own: count}, block: block, slots: make([]int32, count), usable: count, perLayer: count, depth: 2, ring: newRingReads(q, 0, 4, 2),
			pool: &pool{threads: 2}, experts: make([]residence, count), scores: experts.NewScores(1, count, experts.OfChances...), stats: &counters{}, stopped: make(chan struct{})}
		s.work, s.idle = sync.NewCond(&s.mu), sync.NewCond(&s.mu)
		for id := range count {
			s.experts[id] = residence{record: &format.Record{Length: 4096, Checksum: xxh3.Hash(make([]byte, 4096))}, slot: -1}
			s.slots[id] = slotFree
		}
		busy := func() time.Duration {
			b, total := s.stats.disk.read()
			if b != total {
				t.Errorf("busy for %v with reads of %v, one at a time", b, total)
			}
			return b
		}
		q.pass(s, 0, took) // a read that ends within a pass
		if got := busy(); got != took {
			t.Errorf("a read of %v took %v", took, got)
		}
		q.pass(s, 1, took/3) // one that ends after it, in a long pause
		time.Sleep(time.Hour)
		if got := busy(); got != 2*took+took/3 { // as if it had taken as long as the usual read since the end of the pass
			t.Errorf("after a pause of an hour, reads of %v each took %v", took, got)
		}
		q.pass(s, 2, took/3) // in a pause that the next pass ends
		time.Sleep(idleAfter / 2)
		q.pass(s, 3, took)
		if got := busy(); got < 4*took || got > 5*took {
			t.Errorf("after a short pause, four reads of %v each took %v", took, got)
		}
		s.stop()
	})
}
