package engine

import (
	"context"
	"sync"
	"time"

	"github.com/zeebo/xxh3"

	"st/format"
)

// ffnStream brings the pieces of a dense model's feed-forward networks into memory within a budget. The first ones stay; the others are read, past
// the page cache, in the order in which they are needed, some ahead of that. After the last comes the first of the next token.
//
// Memory is one block: a ring of slots for pieces on their way, and after it the homes of those that stay.
type ffnStream struct {
	*ffnPieces
	reader *format.Reader
	file   format.File
	stats  *counters
	block  *block

	mu         sync.Mutex
	work       *sync.Cond // workers wait for something to read, or for a slot to read it into
	idle       *sync.Cond // resize waits for reads to end
	arrived    chan struct{}
	stopped    chan struct{}
	state      []pieceState
	free       []int // slots of the ring
	resident   int   // pieces that have a home: the first ones
	next       int   // the piece that is read next
	generation int   // of what is read ahead: what was begun in another one is not waited for
	homing     int   // reads into homes that are under way
	waiting    int   // workers
	closed     bool
	workers    sync.WaitGroup
}

// pieceState is where a piece is.
type pieceState struct {
	state state
	slot  int  // of the ring; −1: none, or at home
	used  bool // it is being computed with
	err   error
}

// has reports whether it brings a layer's network.
func (s *ffnStream) has(layer int) bool {
	if s == nil {
		return false
	}
	from, to := s.of(layer)
	return from < to
}

// newFFNStream returns what brings the pieces of the engine's feed-forward networks out of f. It takes the memory that the budget has for them, and
// reads the pieces that stay.
func (e *Engine) newFFNStream(ctx context.Context, f format.File) (*ffnStream, error) {
	s := &ffnStream{
		ffnPieces: e.pieces, reader: e.reader, file: f, stats: &e.stats, arrived: make(chan struct{}, 1), stopped: make(chan struct{}),
		state: make([]pieceState, len(e.pieces.pieces)),
	}
	s.work, s.idle = sync.NewCond(&s.mu), sync.NewCond(&s.mu)
	bytes := min(e.budget.FFN, s.ring()+s.total())
	s.resident = s.ffnPieces.resident(bytes - s.ring())
	for i := range s.state {
		s.state[i].slot = -1
	}
	for i := range s.ring() / s.slot {
		s.free = append(s.free, int(i))
	}
	var err error
	if s.block, err = e.memory.newBlock(forExperts, bytes); err != nil {
		return nil, err
	}
	if err := s.load(ctx, e.pool); err != nil {
		s.block.free()
		return nil, err
	}
	for range min(e.reads.Depth, readers) { // the ring has room for no more
		s.workers.Go(s.read)
	}
	return s, nil
}

// bytes returns the part's bytes in its pages.
func (p *ffnPart) bytes(data []byte) []byte {
	first, _ := p.pages()
	return data[p.record.Offset+p.from-first:][:p.to-p.from]
}

// memoryOf returns where a piece is, or where it is going to be.
func (s *ffnStream) memoryOf(i int) []byte {
	at := s.ring() + s.home(i)
	if slot := s.state[i].slot; slot >= 0 {
		at = int64(slot) * s.slot
	}
	return s.block.bytes()[at:][:s.pieces[i].bytes]
}

// take waits until a piece is in memory and known to be intact, and returns it. It stays until release.
func (s *ffnStream) take(ctx context.Context, i int) ([]byte, error) {
	var begin time.Time
	for first := true; ; first = false {
		s.mu.Lock()
		p := &s.state[i]
		if first {
			s.stats.uses.Add(1)
			if p.state != resident || p.slot >= 0 {
				s.stats.misses.Add(1)
			}
		}
		switch {
		case p.err != nil:
			err := p.err
			p.err = nil
			s.mu.Unlock()
			return nil, err
		case p.state == resident:
			p.used = true
			data := s.memoryOf(i)
			s.mu.Unlock()
			if !begin.IsZero() {
				s.stats.waited(int32(s.pieces[i].layer), begin)
			}
			return data, nil
		case p.state == absent && (s.next != i || s.ahead()):
			s.jump(i)
		}
		s.rouse(readers)
		s.mu.Unlock()
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

// ahead reports whether pieces are in the ring, or on their way there. Pieces are read in order, so while one is absent that is needed there are
// none, unless what runs has changed.
func (s *ffnStream) ahead() bool {
	for i := range s.state {
		if p := &s.state[i]; p.slot >= 0 && !p.used {
			return true
		}
	}
	return false
}

// jump gives up what was read ahead, and goes on with a piece.
func (s *ffnStream) jump(i int) {
	s.generation++
	s.next = i
	for j := range s.state {
		p := &s.state[j]
		p.err = nil
		if p.slot < 0 || p.used {
			continue
		}
		if p.state == resident {
			s.free = append(s.free, p.slot)
		} // else whoever reads it gives the slot back
		p.state, p.slot = absent, -1
	}
}

// release gives a piece back. One that has no home makes room for another.
func (s *ffnStream) release(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &s.state[i]
	p.used = false
	if p.slot >= 0 {
		s.free = append(s.free, p.slot)
		p.state, p.slot = absent, -1
		s.rouse(1)
	}
}

// abandon ends a pass that failed: the next one begins with the first layer.
func (s *ffnStream) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.state {
		s.state[i].used = false
	}
	s.jump(0)
	s.rouse(readers)
}

// read is what a worker does until the stream is closed.
func (s *ffnStream) read() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed {
		i := s.pick()
		if i < 0 {
			s.waiting++
			s.work.Wait()
			s.waiting--
			continue
		}
		p, generation := &s.state[i], s.generation
		slot, data := p.slot, s.memoryOf(i)
		if slot < 0 {
			s.homing++
		}
		s.mu.Unlock()
		err := s.fetch(i, data)
		s.mu.Lock()
		s.stats.reads.Add(1)
		s.stats.readBytes.Add(s.pieces[i].bytes)
		switch {
		case slot < 0:
			s.homing--
			s.idle.Broadcast()
			s.finish(p, err)
		case generation == s.generation:
			if err != nil {
				s.free = append(s.free, slot)
				p.slot = -1
			}
			s.finish(p, err)
		default: // it was given up
			s.free = append(s.free, slot)
		}
		s.rouse(1)
		select {
		case s.arrived <- struct{}{}:
		default:
		}
	}
}

func (s *ffnStream) finish(p *pieceState, err error) {
	p.state, p.err = resident, err
	if err != nil {
		p.state = absent
	}
}

// pick returns the next piece to read, with memory to read it into; −1: there is none, or no memory.
func (s *ffnStream) pick() int {
	for range s.state {
		i := s.next
		p := &s.state[i]
		switch {
		case p.slot >= 0:
			return -1 // all around: nothing else is needed
		case p.state == absent && i >= s.resident && len(s.free) == 0:
			return -1
		}
		s.next = (i + 1) % len(s.state)
		if p.state != absent {
			continue // at home
		}
		if i >= s.resident {
			p.slot, s.free = s.free[len(s.free)-1], s.free[:len(s.free)-1]
		}
		p.state = loading
		return i
	}
	return -1
}

// fetch reads a piece and compares it with the checksums of its parts.
func (s *ffnStream) fetch(i int, data []byte) error {
	for j := range s.pieces[i].parts {
		p := &s.pieces[i].parts[j]
		from, to := p.pages()
		begin := s.stats.beginRead()
		err := s.reader.ReadPart(s.file, p.record, data[p.at:][:to-from], from)
		if s.stats.endRead(begin, p.record, to-from, "next", "next"); err != nil {
			return err
		}
		if xxh3.Hash(p.bytes(data[p.at:])) != p.sum { // this brings it into the cache, from where it is computed with
			return s.reader.Mismatch(p.record)
		}
	}
	return nil
}

// rouse wakes up to n workers.
func (s *ffnStream) rouse(n int) {
	for range min(n, s.waiting) {
		s.work.Signal()
	}
}

// resize makes what it takes as much as fits in bytes, of what it began with. It waits for reads into homes that have to go, until ctx is cancelled.
// No pass may run meanwhile if it is to be less.
func (s *ffnStream) resize(ctx context.Context, bytes int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, end := s.resident, int64(len(s.block.bytes()))
	now := s.ffnPieces.resident(min(bytes, end) - s.ring())
	if s.resident = now; now >= was {
		s.rouse(readers)
		return nil
	}
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.idle.Broadcast()
	})
	defer stop()
	for s.homing > 0 && !s.closed {
		if err := ctx.Err(); err != nil {
			s.resident = was
			return err
		}
		s.idle.Wait()
	}
	if s.closed {
		return ErrClosed
	}
	for i := now; i < was; i++ {
		if p := &s.state[i]; p.slot < 0 {
			p.state = absent
		}
	}
	s.jump(0)
	discard(s.block.bytes()[s.ring()+s.home(now):])
	s.rouse(readers)
	return nil
}

// stop ends a take that waits.
func (s *ffnStream) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.stopped)
		s.work.Broadcast()
		s.idle.Broadcast()
	}
}

// close gives the memory back, after stop. A worker that waits for a stalled disk is left to end by itself, and the memory with it.
func (s *ffnStream) close() {
	go func() {
		s.workers.Wait()
		s.block.free()
		s.file.Close()
	}()
}
