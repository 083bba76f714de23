package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeebo/xxh3"

	"st/format"
	"st/runtime/experts"
)

// streamedStore keeps some of the experts in slots of one block of memory and reads the others when they are needed, past
// the operating system's page cache.
//
// An io_uring does the reading, or a few workers where there is none: first what the current layer wants, in the order of the file, then what is
// expected to be wanted next. It is read into a free slot or into that of the expert with the lowest score that nobody needs. What a batch wants is
// never given up before it was released, and not read twice. store_expect.go has what is to be read, store_slots.go where to, store_reads.go and
// store_ring.go how.
type streamedStore struct {
	reader *format.Reader
	file   format.File
	stats  *counters

	storeSpace
	block    *block
	depth    int        // reads in flight
	ring     *ringReads // nil: workers read
	pool     *pool      // checks what a ring brings
	fallback func()     // is called when workers replace the ring; nil: nobody is told

	// Of check.
	unchecked []int32
	faults    []error
	doCheck   task

	mu        sync.Mutex
	work      *sync.Cond // workers wait for something to read, or for a slot to read it into
	idle      *sync.Cond // resize and reclaim wait for reads to end, where workers read
	arrived   chan struct{}
	stopped   chan struct{}
	experts   []residence // by id: layer · experts of a layer + expert
	perLayer  int
	slots     []int32 // the expert in each, or slotFree or slotGone
	usable    int     // slots that were not given back: the first ones
	reclaimed bool    // the first slots, those that are lent, are a batch's now
	shrinking bool    // resize or reclaim waits for a slot
	scores    *experts.Scores
	chances   []float32 // [experts] scratch of rate, and so is sorted
	sorted    []float32
	known     bool         // how often experts are used was recorded
	running   bool         // something was wanted
	demand    []int32      // wanted, to be read
	demands   []int32      // the array behind it
	ahead     []int32      // expected, to be read
	sweep     []int32      // to fill free slots with, in the order of the file
	expected  []int32      // all that are expected, whether in memory or not
	wanted    []int32      // of the current layer
	layer     int32        // of what is wanted, counted among all
	enough    int          // experts in memory with which to begin
	reading   int          // records
	waiting   int          // workers
	loaded    atomic.Int64 // experts in memory
	lull      lull
	closed    bool
	workers   sync.WaitGroup
}

const (
	slotFree = -1 - iota
	slotGone // its memory was given back, and it is one of the last slots, or a batch has it, and it is one of the first
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
	intact   bool  // what was read was compared with the checksum before, and right
	check    bool  // what is read is to be compared

	turn uint32 // how often its reading was begun

	// Of a read in pieces.
	read     int64        // bytes of the record whose reading was begun
	left     int32        // pieces in flight, or being read again
	came     uint64       // a bit for each piece that has come
	compared int64        // bytes that went into sum
	sum      *xxh3.Hasher // nil: none, or in use
	failed   error

	err error // of reading what is wanted
}

type state uint8

const (
	absent state = iota
	queued
	loading
	arrived // and not checked
	resident
)

// readers is the number of reads in flight where nothing is known of the disk. See docs/memory-why.md.
const readers = 4

// newStreamedStore returns a store for the engine's experts, which reads f, with the ring if there is one. Its memory is what the budget leaves to experts.
func (e *Engine) newStreamedStore(f format.File, ring *ringReads) (*streamedStore, error) {
	c, all := &e.reader.Config, e.weights.experts
	s := &streamedStore{
		storeSpace: e.budget.space(), reader: e.reader, file: f, stats: &e.stats, arrived: make(chan struct{}, 1), stopped: make(chan struct{}),
		perLayer: c.MoE.Experts, ring: ring, pool: e.pool, depth: e.reads.Depth,
	}
	s.work, s.idle = sync.NewCond(&s.mu), sync.NewCond(&s.mu)
	for l := range all {
		for x := range all[l] {
			s.experts = append(s.experts, residence{record: all[l][x].record, slot: -1})
		}
	}
	s.scores = experts.NewScores(len(c.MoELayers()), s.perLayer, experts.OfChances...)
	s.chances, s.sorted = make([]float32, s.perLayer), make([]float32, s.perLayer)
	s.usable, s.reclaimed = s.lent+s.own, true
	s.slots = make([]int32, s.usable)
	for i := range s.slots {
		if s.slots[i] = slotFree; i < s.lent {
			s.slots[i] = slotGone
		}
	}
	var err error
	if s.block, err = e.memory.newBlock(forExperts, s.at(s.usable)); err != nil {
		return nil, err
	}
	s.doCheck = s.doCompare
	if ring != nil {
		s.pool.meanwhile(s.poll)
		return s, nil
	}
	for range s.depth {
		s.workers.Go(s.readAll)
	}
	return s, nil
}

func (s *streamedStore) id(layer, expert int) int32 { return int32(layer*s.perLayer + expert) }

func (s *streamedStore) want(layer, n int, chosen []chosenExpert) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(s.wanted) // of a batch that failed
	if !s.running && !s.known && !s.roomy() {
		s.drop(s.sweep) // nothing speaks for those that were not chosen
		s.sweep = nil
	}
	s.running = true
	s.enough = 1
	if s.ring != nil && n > 1 { // the threads share experts of several tokens, each of which is computed by one of them
		s.enough = s.pool.threads
	}
	s.layer = int32(s.experts[layer*s.perLayer].record.Layer)
	s.wanted, s.demands = s.wanted[:0], s.demands[:0]
	for i := range chosen {
		id := s.id(layer, chosen[i].weights.record.Expert)
		s.wanted = append(s.wanted, id)
		e := &s.experts[id]
		e.wanted, e.taken, e.err = true, false, nil
		if e.state == absent || e.state == queued {
			e.state = queued
			s.demands = append(s.demands, id)
		}
		s.resume(id)
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
	s.rouseSoon(len(s.demand))
}

// roomy reports whether there is a slot for every expert while no batch has the memory of some.
func (s *streamedStore) roomy() bool { return s.usable >= len(s.experts) }

// complete reports whether all experts are in memory.
func (s *streamedStore) complete() bool { return s.loaded.Load() == int64(len(s.experts)) }

func (s *streamedStore) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(s.wanted)
	s.wanted = s.wanted[:0]
}

func (s *streamedStore) take(ctx context.Context, ready []int) ([]int, error) {
	var begin time.Time
	for {
		ready, err := s.look(ready)
		if len(ready) > 0 || err != nil {
			if !begin.IsZero() {
				s.stats.waited(s.layer, begin)
			}
			return ready, err
		}
		if len(s.unchecked) > 1 {
			if err := s.compareAll(); err != nil {
				return nil, err
			}
			continue
		}
		if s.ring != nil && s.compare() {
			continue
		}
		if begin.IsZero() {
			begin = time.Now()
		}
		if s.ring != nil {
			if err := s.await(ctx); err != nil {
				return nil, err
			}
			continue
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

// look takes the wanted experts that are in memory, if they are enough for all threads or no others are about to come. Those that are to be checked
// before are in s.unchecked then.
func (s *streamedStore) look(ready []int) ([]int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ring != nil {
		s.reap()
		s.pump()
		if s.ring.err != nil {
			s.replaceRing()
		}
	}
	var err error
	coming := false
	s.unchecked = s.unchecked[:0]
	for i, id := range s.wanted {
		e := &s.experts[id]
		switch {
		case e.err != nil && err == nil:
			err = e.err
		case !e.wanted || e.taken:
		case e.state == resident:
			ready = append(ready, i)
		case e.state == arrived:
			coming = true
			if e.compared == 0 {
				s.unchecked = append(s.unchecked, id)
			}
		case e.state == loading:
			coming = true
		}
	}
	if len(ready) > 0 && len(ready) < s.enough && coming && err == nil {
		ready = ready[:0]
	}
	if len(ready) == 0 && err == nil { // there is nothing to compute meanwhile
		if s.ring != nil {
			s.send()
		}
		return ready, nil
	}
	for _, i := range ready {
		s.experts[s.wanted[i]].taken = true
	}
	if len(ready) > 0 {
		err = nil
	}
	return ready, err
}

func (s *streamedStore) bytes(i int) []byte {
	e := &s.experts[s.wanted[i]]
	return s.slot(e.slot)[:e.record.Length]
}

func (s *streamedStore) slot(i int32) []byte {
	return s.block.bytes()[s.at(int(i)):][:s.slotSize]
}

func (s *streamedStore) release(ready []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range ready {
		e := &s.experts[s.wanted[i]]
		e.wanted, e.taken = false, false
	}
	s.rouseSoon(len(s.demand) + len(s.ahead))
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
		if s.lull.timer != nil {
			s.lull.timer.Stop()
		}
		if s.ring != nil {
			s.ring.queue.Wake()
		}
	}
}

// close gives the memory back, after stop. A read that waits for a stalled disk is left to end by itself, and the memory with it.
func (s *streamedStore) close() {
	go func() {
		s.workers.Wait()
		if s.ring != nil {
			s.drain() // what is in flight would be written to memory that is somebody else's
		}
		s.block.free()
		s.file.Close()
	}()
}
