package engine

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"st/format"
	"st/runtime/experts"
)

// streamedStore keeps some of the experts in slots of one block of memory and reads the others when they are needed, past
// the operating system's page cache.
//
// A few workers do the reading: first what the current layer wants, in the order of the file, then what is expected to be wanted
// next. A worker reads into a free slot or into that of the expert with the lowest score that nobody needs. What a batch
// wants is never given up before it was released, and not read twice.
type streamedStore struct {
	reader *format.Reader
	file   format.File
	stats  *counters

	slotSize int64
	block    *block
	depth    int // reads in flight

	mu       sync.Mutex
	work     *sync.Cond // workers wait for something to read, or for a slot to read it into
	idle     *sync.Cond // shrink waits for reads to end
	arrived  chan struct{}
	stopped  chan struct{}
	experts  []residence // by id: layer · experts of a layer + expert
	perLayer int
	slots    []int32 // the expert in each, or slotFree or slotGone
	usable   int     // slots that are not gone: the first ones
	scores   *experts.Scores
	known    bool         // how often experts are used was recorded
	running  bool         // something was wanted
	demand   []int32      // wanted, to be read
	demands  []int32      // the array behind it
	ahead    []int32      // expected, to be read
	sweep    []int32      // to fill free slots with, in the order of the file
	expected []int32      // all that are expected, whether in memory or not
	wanted   []int32      // of the current layer
	layer    int32        // of what is wanted, counted among all
	reading  int          // records
	waiting  int          // workers
	loaded   atomic.Int64 // experts in memory
	closed   bool
	workers  sync.WaitGroup
}

const (
	slotFree = -1 - iota
	slotGone // its memory was given back: one of the last slots
)

// residence is where an expert is.
type residence struct {
	record   *format.Record
	state    state
	slot     int32
	wanted   bool  // by the current batch: since want, until release
	taken    bool  // since take
	expected int32 // the layer that it was expected for + 1; 0: none
	early    bool  // it is or was read because it was expected, and not wanted since
	err      error // of reading what is wanted
}

type state uint8

const (
	absent state = iota
	queued
	loading
	resident
)

// readers is the number of reads in flight where nothing is known of the disk. See docs/memory.md.
const readers = 4

func newStreamedStore(r *format.Reader, f format.File, all [][]expertWeights, slots, depth int, stats *counters, m *memory) (*streamedStore, error) {
	c := &r.Config
	s := &streamedStore{reader: r, file: f, stats: stats, arrived: make(chan struct{}, 1), stopped: make(chan struct{}), perLayer: c.MoE.Experts, depth: depth}
	s.work, s.idle = sync.NewCond(&s.mu), sync.NewCond(&s.mu)
	for l := range all {
		for x := range all[l] {
			rec := all[l][x].record
			s.experts = append(s.experts, residence{record: rec, slot: -1})
			s.slotSize = max(s.slotSize, rec.Length)
		}
	}
	s.scores = experts.NewScores(len(c.MoELayers()), s.perLayer, experts.ShortHalfLife, experts.LongHalfLife)
	s.slots, s.usable = make([]int32, slots), slots
	for i := range s.slots {
		s.slots[i] = slotFree
	}
	var err error
	if s.block, err = m.newBlock(forExperts, int64(slots)*s.slotSize); err != nil {
		return nil, err
	}
	for range depth {
		s.workers.Go(s.read)
	}
	return s, nil
}

func (s *streamedStore) id(layer, expert int) int32 { return int32(layer*s.perLayer + expert) }

func (s *streamedStore) want(layer, n int, chosen []chosenExpert) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(s.wanted) // of a batch that failed
	if !s.running && !s.known {
		s.drop(s.sweep) // nothing speaks for those that were not chosen
		s.sweep = nil
	}
	s.running = true
	s.scores.Advance(layer, n)
	s.layer = int32(s.experts[layer*s.perLayer].record.Layer)
	s.wanted, s.demands = s.wanted[:0], s.demands[:0]
	for i := range chosen {
		id := s.id(layer, chosen[i].weights.record.Expert)
		s.wanted = append(s.wanted, id)
		s.scores.Use(int(id), len(chosen[i].tokens))
		e := &s.experts[id]
		e.wanted, e.taken, e.err = true, false, nil
		if e.state == absent || e.state == queued {
			e.state = queued
			s.demands = append(s.demands, id)
		}
		if e.state != resident {
			s.stats.misses.Add(1)
		}
		if e.early {
			e.early = false
			s.stats.earlyUsed.Add(1)
		}
	}
	s.demand = s.demands
	s.stats.uses.Add(int64(len(chosen)))
	s.forget(layer)
	s.rouse(len(s.demand))
}

// complete reports whether all experts are in memory.
func (s *streamedStore) complete() bool { return s.loaded.Load() == int64(len(s.experts)) }

// warm fills the slots in one pass through the file, while nothing else is to be read: with the experts that were used most, if
// that is known, and else with the first ones, which the first batch is likely to need first.
func (s *streamedStore) warm(u *format.Usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	order := make([]int32, len(s.experts))
	for i := range order {
		order[i] = int32(i)
	}
	if u != nil && u.Tokens > 0 {
		for id, n := range u.Uses {
			s.scores.Seed(id, float64(n)/float64(u.Tokens))
		}
		slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(u.Uses[b], u.Uses[a]) })
		s.known = true
	}
	s.sweep = order[:min(len(order), s.usable)]
	slices.Sort(s.sweep)
	for _, id := range s.sweep {
		s.experts[id].state = queued
	}
	s.rouse(len(s.sweep))
}

// expect names experts that a later layer will probably want, the likeliest first. They are read when nothing is to be read that
// is wanted, and are not given up before that layer has spoken.
func (s *streamedStore) expect(layer int, experts []int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range experts {
		id := s.id(layer, int(x))
		e := &s.experts[id]
		if e.expected != 0 {
			continue
		}
		e.expected = int32(layer + 1)
		s.expected = append(s.expected, id)
		if e.state == absent || e.state == queued {
			e.state = queued
			s.ahead = append(s.ahead, id)
		}
	}
	s.rouse(len(s.ahead))
}

// drop makes experts free to be given up. Those that wait to be read are not read any more, unless they are expected.
func (s *streamedStore) drop(ids []int32) {
	for _, id := range ids {
		e := &s.experts[id]
		e.wanted, e.taken = false, false
		if e.state == queued && e.expected == 0 {
			e.state = absent
		}
	}
}

func (s *streamedStore) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(s.wanted)
	s.wanted = s.wanted[:0]
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
	}
	s.expected = keep
	s.ahead = slices.DeleteFunc(s.ahead, func(id int32) bool { return s.experts[id].state != queued || s.experts[id].wanted })
}

func (s *streamedStore) take(ctx context.Context, ready []int) ([]int, error) {
	var begin time.Time
	for {
		var err error
		s.mu.Lock()
		for i, id := range s.wanted {
			e := &s.experts[id]
			switch {
			case e.state == resident && e.wanted && !e.taken:
				e.taken = true
				ready = append(ready, i)
			case e.err != nil && err == nil:
				err = e.err
			}
		}
		s.mu.Unlock()
		if len(ready) > 0 || err != nil {
			if !begin.IsZero() {
				s.stats.waited(s.layer, begin)
			}
			if len(ready) > 0 {
				err = nil
			}
			return ready, err
		}
		if begin.IsZero() {
			begin = time.Now()
		}
		select {
		case <-s.arrived:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.stopped:
			return nil, ErrClosed
		}
	}
}

func (s *streamedStore) bytes(i int) []byte {
	e := &s.experts[s.wanted[i]]
	return s.slot(e.slot)[:e.record.Length]
}

func (s *streamedStore) slot(i int32) []byte {
	return s.block.bytes()[int64(i)*s.slotSize:][:s.slotSize]
}

func (s *streamedStore) release(ready []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range ready {
		e := &s.experts[s.wanted[i]]
		e.wanted, e.taken = false, false
	}
	s.rouse(len(s.demand) + len(s.ahead))
}

// read is what a worker does until the store is closed.
func (s *streamedStore) read() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed {
		id, slot := s.next()
		if id < 0 {
			s.waiting++
			s.work.Wait()
			s.waiting--
			continue
		}
		e := &s.experts[id]
		e.state, e.slot, s.slots[slot] = loading, slot, id
		why := "wanted"
		if !e.wanted && e.expected != 0 {
			e.early, why = true, "expected"
			s.stats.early.Add(1)
		} else if !e.wanted {
			why = "to fill the cache"
		}
		s.reading++
		s.mu.Unlock()
		record := s.slot(slot)[:e.record.Length]
		begin := s.stats.beginRead()
		err := s.reader.ReadPart(s.file, e.record, record, e.record.Offset)
		s.stats.endRead(begin, e.record, e.record.Length, why)
		if err == nil {
			err = s.reader.Check(e.record, record) // this brings it into the cache, from where it is computed with
		}
		s.mu.Lock()
		s.finish(e, err)
	}
}

// rouse wakes up to n workers: as few as there is work for, because they take the processors from those who compute.
func (s *streamedStore) rouse(n int) {
	for range min(n, s.waiting) {
		s.work.Signal()
	}
}

// next returns an expert to read and a slot for it, or −1.
func (s *streamedStore) next() (id, slot int32) {
	for _, queue := range []*[]int32{&s.demand, &s.ahead, &s.sweep} {
		// What is wanted must not wait for much else to be read.
		if queue == &s.ahead && s.reading >= max(1, s.depth/2) || queue == &s.sweep && s.running && s.reading > 0 {
			break
		}
		for i, id := range *queue {
			if s.experts[id].state != queued {
				continue
			}
			var slot int32
			switch queue {
			case &s.demand:
				slot = s.vacate(true)
			case &s.ahead:
				slot = s.vacate(false)
			default:
				slot = int32(slices.Index(s.slots, slotFree))
			}
			*queue = (*queue)[i:]
			if slot < 0 {
				return -1, -1
			}
			*queue = (*queue)[1:]
			return id, slot
		}
		*queue = (*queue)[:0]
	}
	return -1, -1
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
		if e.state != resident || e.wanted {
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
	}
	return victim
}

func (s *streamedStore) evict(slot int32) {
	e := &s.experts[s.slots[slot]]
	e.state, e.slot, e.early = absent, -1, false
	s.loaded.Add(-1)
	s.slots[slot] = slotFree
}

// finish records the end of a read.
func (s *streamedStore) finish(e *residence, err error) {
	s.reading--
	s.stats.reads.Add(1)
	s.stats.readBytes.Add(e.record.Length)
	e.state = resident
	s.loaded.Add(1)
	if err != nil {
		s.evict(e.slot)
		if e.wanted {
			e.err = err
		}
	}
	if e.wanted {
		select {
		case s.arrived <- struct{}{}:
		default:
		}
	}
	s.idle.Broadcast()
}

// resize makes n the number of slots, of those that the store began with: it gives up experts, or takes slots back into use. It waits for
// reads into the slots that have to go, until ctx is cancelled. No pass may run meanwhile if there are to be fewer: slots are moved.
func (s *streamedStore) resize(ctx context.Context, n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n = min(max(0, n), len(s.slots))
	for ; s.usable < n; s.usable++ {
		s.slots[s.usable] = slotFree
	}
	was := s.usable
	defer func() {
		if s.usable < was {
			discard(s.block.bytes()[int64(s.usable)*s.slotSize : int64(was)*s.slotSize])
		}
	}()
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.idle.Broadcast()
	})
	defer stop()
	for s.usable > n {
		for !s.closed && !s.clear(int32(s.usable-1)) {
			if err := ctx.Err(); err != nil {
				return err
			}
			s.idle.Wait()
		}
		if s.closed {
			return ErrClosed
		}
		s.usable--
		s.slots[s.usable] = slotGone
	}
	s.rouse(len(s.demand) + len(s.ahead) + len(s.sweep))
	return nil
}

// clear empties the last slot: the expert in it moves to the slot of the one with the lowest score. It reports false while something is
// read into it. The last slots go, and not those of the lowest scores, because what is given back lies together then: a page of 2 MiB
// with a hole is not given back, and the system may fill it again.
func (s *streamedStore) clear(slot int32) bool {
	id := s.slots[slot]
	if id == slotFree {
		return true
	}
	e := &s.experts[id]
	if e.state == loading {
		return false
	}
	e.wanted, e.taken = false, false // by a batch that failed
	to := s.vacate(true)
	if to != slot {
		copy(s.slot(to), s.slot(slot)[:e.record.Length])
		e.slot, s.slots[to] = to, id
	}
	return true
}

// stop ends a take that waits.
func (s *streamedStore) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.stopped)
		s.work.Broadcast()
		s.idle.Broadcast()
		s.idle.Broadcast()
	}
}

// close gives the memory back, after stop. A worker that waits for a stalled disk is left to end by itself, and the memory with it.
func (s *streamedStore) close() {
	go func() {
		s.workers.Wait()
		s.block.free()
		s.file.Close()
	}()
}
