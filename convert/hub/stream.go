package hub

import (
	"context"
	"sync"
	"time"
)

// Span is a part of a file.
type Span struct {
	File     *File
	From, To int64
}

// Piece is some bytes of a file. Data belongs to the stream: it is valid until Release.
type Piece struct {
	File   *File
	Offset int64
	Data   []byte

	seq int
}

// piece is one that is to come.
type piece struct {
	file *File
	off  int64
	size int
}

// Stream brings spans in their order, while several requests are under way: as many as make it faster.
//
// Next and Release are called by one goroutine each.
type Stream struct {
	repo   *Repository
	pieces []piece // all of them
	window int64   // bytes that are asked for and not released, at most
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex
	change  *sync.Cond
	slots   map[int]*slot // by number
	begun   int           // pieces that were asked for
	given   int           // pieces that Next returned
	active  int           // requests that are under way
	held    int64         // bytes that are asked for and not released
	idle    [][]byte      // buffers of whole pieces
	pace    pace
	err     error
	stopped bool
	bytes   int64 // that came
}

type slot struct {
	data  []byte
	ready bool
}

// MaxConnections is how many requests a stream makes at once, at most.
const MaxConnections = 12

// Stream begins to bring spans. At most window bytes are asked for and not released, but two pieces at least. It ends with Close.
func (r *Repository) Stream(ctx context.Context, spans []Span, window int64) *Stream {
	s := &Stream{repo: r, slots: map[int]*slot{}, window: max(2*r.client.config.Piece, window), pace: newPace(time.Now())}
	s.change = sync.NewCond(&s.mu)
	for _, span := range spans {
		for off := span.From; off < span.To; off += r.client.config.Piece {
			s.pieces = append(s.pieces, piece{span.File, off, int(min(r.client.config.Piece, span.To-off))})
		}
	}
	ctx, s.cancel = context.WithCancel(ctx)
	for range min(MaxConnections, s.window/r.client.config.Piece) {
		s.done.Go(func() { s.work(ctx) })
	}
	context.AfterFunc(ctx, func() { s.fail(ctx.Err()) })
	return s
}

// full reports whether the next piece has to wait until others are released.
func (s *Stream) full() bool { return s.held+int64(s.pieces[s.begun].size) > s.window }

// work asks for one piece after the other.
func (s *Stream) work(ctx context.Context) {
	for {
		s.mu.Lock()
		for !s.stopped && s.err == nil && s.begun < len(s.pieces) && (s.active >= s.pace.limit || s.full()) {
			if s.full() {
				s.pace.hindered() // by whoever takes the pieces, not by the line
			}
			s.change.Wait()
		}
		if s.stopped || s.err != nil || s.begun == len(s.pieces) {
			s.mu.Unlock()
			return
		}
		p, seq := s.pieces[s.begun], s.begun
		s.begun++
		s.active++
		s.held += int64(p.size)
		at := &slot{}
		if n := len(s.idle); n > 0 && int64(p.size) == s.repo.client.config.Piece {
			at.data, s.idle = s.idle[n-1], s.idle[:n-1]
		} else {
			at.data = make([]byte, p.size)
		}
		s.slots[seq] = at
		s.mu.Unlock()

		err := s.repo.fetch(ctx, p.file, p.off, at.data, s.came, s.slower, func() { s.turn(seq) })

		s.mu.Lock()
		s.active--
		at.ready = err == nil
		if err != nil && s.err == nil {
			s.err = err
		}
		s.mu.Unlock()
		s.change.Broadcast()
	}
}

// came counts bytes, and lets the pace see them.
func (s *Stream) came(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes += int64(n)
	if s.pace.came(int64(n), s.active, time.Now()) {
		s.change.Broadcast()
	}
}

// turn waits until all pieces before one are there, or the stream ends.
func (s *Stream) turn(seq int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	missing := func() bool {
		for i := s.given; i < seq; i++ {
			if at := s.slots[i]; at == nil || !at.ready {
				return true
			}
		}
		return false
	}
	for s.err == nil && !s.stopped && missing() {
		s.change.Wait()
	}
}

// slower: the server has said that there are too many requests.
func (s *Stream) slower() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pace.slower(time.Now())
}

func (s *Stream) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	s.change.Broadcast()
}

// Next waits for the next piece. ok is false if there is none.
func (s *Stream) Next() (p Piece, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.given < len(s.pieces) {
		if at := s.slots[s.given]; at != nil && at.ready {
			p := s.pieces[s.given]
			s.given++
			return Piece{p.file, p.off, at.data, s.given - 1}, true, nil
		}
		if s.err != nil {
			return Piece{}, false, s.err
		}
		s.change.Wait()
	}
	return Piece{}, false, nil
}

// Release gives a piece back. It makes room for another one.
func (s *Stream) Release(p Piece) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.slots[p.seq]; at != nil {
		if int64(len(at.data)) == s.repo.client.config.Piece {
			s.idle = append(s.idle, at.data)
		}
		delete(s.slots, p.seq)
		s.held -= int64(len(at.data))
		s.change.Broadcast()
	}
}

// Received returns the bytes that came over the network, and the requests that are under way.
func (s *Stream) Received() (bytes int64, connections int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes, s.active
}

// Stop has Next return an error at once, unless there is a piece.
func (s *Stream) Stop() { s.cancel() }

// Close ends the requests. Pieces are no longer valid.
func (s *Stream) Close() {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.cancel()
	s.change.Broadcast()
	s.done.Wait()
}
