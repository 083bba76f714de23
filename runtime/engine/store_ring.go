package engine

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/zeebo/xxh3"

	"st/format"
	"st/format/uring"
)

// completionQueue is what a store needs of an io_uring: [uring.Ring] describes the methods.
type completionQueue interface {
	Read(fd int, buf []byte, offset int64, id uint64) bool
	Submit() error
	Stop(dropped func(id uint64))
	Ready() bool
	Completions(done func(id uint64, n int, err error)) int
	Wait() error
	Wake()
	InFlight() int
	Close() error
}

// ringReads is how a streamedStore reads with an io_uring, without threads that read. Records are read in pieces, so that what is wanted waits for a
// piece of what is only expected, and not for all of it, and so that of what is not expected any more the rest is not read.
//
// The goroutine of a pass looks for what has come, between the parts of jobs and when it has nothing to compute; beside it only resize, while no pass
// runs, and drain do. It compares what has come with its checksum a little at a time, also between parts, so that the other threads take more of them
// meanwhile. Where nothing is left to do it waits in the kernel.
//
// What ends a wait: a read, or Wake, which whoever changes what the pass waits for calls after the change: another goroutine that read a record, or
// one that cancels or closes. A Wake that comes before the wait ends it too.
type ringReads struct {
	queue    completionQueue
	fd       int
	pieces   []piece // that are in flight; those whose numbers are in free are not
	free     []int32
	expected int     // pieces in flight at most while none of them is wanted: one that is has to wait for these
	begun    []int32 // experts of which some pieces are to be read still, in the order in which they were begun
	open     []int32 // experts that are being read, or were and are not compared with their checksums yet
	sums     []*xxh3.Hasher
	news     atomic.Bool // something of open may have come that is to be compared
	unsent   atomic.Bool // something is queued that was not begun
	err      error       // the ring does not work any more: threads replace it
	stopped  bool        // it begins nothing any more
}

// piece is a part of a record that is in flight.
type piece struct {
	id    int32
	n     int32
	at    int64 // in the record
	why   string
	begin time.Time
}

// How experts are read with an io_uring. See docs/memory-why.md.
const (
	// ringPieceBytes is the longest piece: it fits in one request of the usual length in pages of 4 KiB, of which disks take 254 or 256. What the kernel
	// would have to cut up it leaves to threads of its own.
	ringPieceBytes = 1016 << 10
	maxPieces      = 64       // of a record
	ringSpins      = 2000     // how often who has nothing to compute looks before it waits in the kernel: some 50 µs
	sumBytes       = 64 << 10 // that are compared with a checksum at a time
)

// ReadMethodVariable is the environment variable that says how experts are read: "uring" or "threads". Otherwise it is an io_uring where there is one.
const ReadMethodVariable = "ST_IO"

// openRing returns an io_uring if experts are to be read with one; nil: they are read by threads. The disk wants depth reads of whole records in flight.
func openRing(f format.File, depth int) (*ringReads, error) {
	method := os.Getenv(ReadMethodVariable)
	switch method {
	case "threads":
		return nil, nil
	case "", "uring":
	default:
		return nil, fmt.Errorf("%s=%s is unknown: uring or threads", ReadMethodVariable, method)
	}
	fd, direct := format.Descriptor(f)
	if !direct {
		if method == "" {
			return nil, nil
		}
		return nil, fmt.Errorf("%s=%s: the file cannot be read past the page cache", ReadMethodVariable, method)
	}
	wanted := max(16, 4*depth) // pieces: who computes with experts of many tokens looks only now and then
	q, err := newQueue(wanted)
	if err != nil {
		if method == "" && errors.Is(err, uring.ErrUnsupported) {
			return nil, nil
		}
		return nil, fmt.Errorf("%s=%s: %w", ReadMethodVariable, method, err)
	}
	return newRingReads(q, fd, wanted, max(2, depth/2)), nil // two pieces are one record of usual length
}

var errQueueFull = errors.New("the queue of the io_uring is full")

// newQueue returns an io_uring. Tests put one that fails in its place.
var newQueue = func(entries int) (completionQueue, error) { return uring.New(entries) }

func newRingReads(q completionQueue, fd, wanted, expected int) *ringReads {
	r := &ringReads{queue: q, fd: fd, pieces: make([]piece, wanted), expected: expected}
	for i := range r.pieces {
		r.free = append(r.free, int32(i))
	}
	return r
}

// hasRing reports whether an io_uring reads.
func (s *streamedStore) hasRing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ring != nil
}

// inFlight returns the number of pieces.
func (r *ringReads) inFlight() int { return len(r.pieces) - len(r.free) }

// partBytes returns the length of a record's pieces but the last.
func partBytes(r *format.Record) int64 {
	n := min((r.Length+ringPieceBytes-1)/ringPieceBytes, maxPieces) // of about the same size
	return (r.Length/n + format.Alignment - 1) / format.Alignment * format.Alignment
}

// pump queues reads while there is room for them, which submit begins. The store is locked, as for all methods here but poll, await and those that compare
// checksums.
func (s *streamedStore) pump() {
	r := s.ring
	if s.closed || r.err != nil {
		return
	}
	for len(r.free) > 0 {
		id := s.nextPiece()
		if id < 0 {
			break
		}
		s.beginPiece(id)
		r.unsent.Store(true)
	}
}

// submit begins what is queued, and reports whether it did. What the kernel has no room for now stays in the queue.
func (s *streamedStore) submit() (all bool) {
	err := s.ring.queue.Submit()
	s.ring.unsent.Store(err != nil)
	if err != nil && !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EBUSY) {
		s.ring.err = err
	}
	return err == nil
}

// send begins what is queued, if there is something.
func (s *streamedStore) send() {
	if s.ring.unsent.Load() && s.ring.err == nil {
		s.submit()
	}
}

// nextPiece returns an expert of which a piece is to be read: first what is wanted, then what is expected, then what fills the cache. −1: none.
func (s *streamedStore) nextPiece() int32 {
	r := s.ring
	for _, id := range r.begun {
		if s.experts[id].wanted {
			return id
		}
	}
	if id := s.openNext(&s.demand); id >= 0 || len(s.demand) > 0 { // or there is no slot for what is wanted
		return id
	}
	if r.inFlight() >= r.expected {
		return -1
	}
	if len(r.begun) > 0 {
		return r.begun[0]
	}
	if id := s.openNext(&s.ahead); id >= 0 {
		return id
	}
	if s.running && r.inFlight() == 0 { // before that workers fill the cache
		return s.openNext(&s.sweep)
	}
	return -1
}

// openNext begins to read the next expert of a queue that there is a slot for, and returns it. −1: there is none.
func (s *streamedStore) openNext(queue *[]int32) int32 {
	id, slot := s.nextOf(queue)
	if id >= 0 {
		s.begin(id, slot)
		s.ring.begun = append(s.ring.begun, id)
		s.ring.open = append(s.ring.open, id)
	}
	return id
}

// beginPiece queues the read of the next piece of an expert.
func (s *streamedStore) beginPiece(id int32) {
	r, e := s.ring, &s.experts[id]
	n := min(partBytes(e.record), e.record.Length-e.read)
	i := r.free[len(r.free)-1]
	r.free = r.free[:len(r.free)-1]
	r.pieces[i] = piece{id: id, at: e.read, n: int32(n), why: e.why(), begin: s.stats.beginRead()} // what passes before it is sent counts, too
	// There is room in the queue for more than there are pieces.
	if !r.queue.Read(r.fd, s.slot(e.slot)[e.read:][:n], e.record.Offset+e.read, uint64(i)) && r.err == nil {
		r.err = errQueueFull
	}
	e.read += n
	e.left++
	if e.read == e.record.Length {
		r.begun = without(r.begun, id)
	}
}

func without(ids []int32, id int32) []int32 {
	return slices.DeleteFunc(ids, func(x int32) bool { return x == id })
}

// reap notes the pieces that have come.
func (s *streamedStore) reap() {
	r := s.ring
	r.queue.Completions(func(number uint64, n int, err error) {
		p := r.pieces[number]
		r.free = append(r.free, int32(number))
		e := &s.experts[p.id]
		s.stats.endRead(p.begin, e.record, int64(n), p.why, e.cameAs(p.why))
		switch {
		case err == nil && n == int(p.n):
			s.pieceEnded(p, nil)
		case s.closed:
			s.pieceEnded(p, ErrClosed)
		default: // a short read, or an error: whoever reads it again says what is wrong, if anything is
			s.workers.Go(func() { s.readAgain(p) })
		}
	})
}

// readAgain reads a piece on a thread of its own.
func (s *streamedStore) readAgain(p piece) {
	e := &s.experts[p.id]
	s.mu.Lock()
	buf := s.slot(e.slot)[p.at:][:p.n] // which stays its slot while a piece is on its way
	s.mu.Unlock()
	err := s.reader.ReadPart(s.file, e.record, buf, e.record.Offset+p.at)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pieceEnded(p, err)
	s.ring.queue.Wake()
}

// pieceEnded counts a piece that has come, or failed. Of a record that failed no more is read.
func (s *streamedStore) pieceEnded(p piece, err error) {
	r, e := s.ring, &s.experts[p.id]
	e.left--
	s.stats.readBytes.Add(int64(p.n))
	if err != nil {
		r.begun = without(r.begun, p.id)
		if e.failed == nil {
			e.failed = err
		}
	} else {
		e.came |= 1 << (p.at / partBytes(e.record))
		r.news.Store(true)
	}
	switch {
	case e.left > 0:
	case e.failed != nil:
		s.shut(p.id)
		s.ended()
		s.checked(e, e.failed)
	case e.read == e.record.Length:
		s.ended()
		if e.state = arrived; !e.check {
			s.shut(p.id)
			s.checked(e, nil)
		}
	case !slices.Contains(r.begun, p.id):
		s.giveUp(p.id)
	}
}

// shut ends what is known of the pieces of an expert.
func (s *streamedStore) shut(id int32) {
	r, e := s.ring, &s.experts[id]
	r.begun, r.open = without(r.begun, id), without(r.open, id)
	r.keep(e.sum)
	e.sum = nil
}

// keep keeps what computed a checksum for the next one: a few of them.
func (r *ringReads) keep(sum *xxh3.Hasher) {
	if sum != nil && len(r.sums) < 4 {
		r.sums = append(r.sums, sum)
	}
}

// giveUp makes an expert of which nothing is in flight absent again.
func (s *streamedStore) giveUp(id int32) {
	s.shut(id)
	s.ended()
	s.evict(s.experts[id].slot)
}

// shelve ends the reading of an expert that is neither wanted nor expected, and resume goes on with it if it is after all.
func (s *streamedStore) shelve(id int32) {
	e := &s.experts[id]
	if s.ring == nil || e.state != loading || e.wanted || e.expected != 0 || e.read == e.record.Length {
		return
	}
	if s.ring.begun = without(s.ring.begun, id); e.left == 0 {
		s.giveUp(id)
	}
}

func (s *streamedStore) resume(id int32) {
	e := &s.experts[id]
	if s.ring != nil && e.state == loading && e.failed == nil && e.read < e.record.Length && !slices.Contains(s.ring.begun, id) {
		s.ring.begun = append(s.ring.begun, id)
	}
}

// idleRead returns an expert that is read in pieces of which none is in flight, and that is not wanted; −1: none. Its slot may be taken.
func (s *streamedStore) idleRead() int32 {
	if s.ring != nil {
		for _, id := range s.ring.begun {
			if e := &s.experts[id]; e.left == 0 && !e.wanted {
				return id
			}
		}
	}
	return -1
}

// poll notes what has come, begins other reads, and compares a little of what has come with its checksum. A pass calls it while it computes. To begin
// reads takes as long as to compute some parts of a job, so it is done while other threads take those: not where the job is this thread's alone.
func (s *streamedStore) poll(shared bool) {
	r := s.ring
	if r == nil { // it has failed
		return
	}
	if r.queue.Ready() || shared && r.unsent.Load() {
		s.mu.Lock()
		s.reap()
		s.pump()
		if shared {
			s.send()
		}
		s.mu.Unlock()
	}
	if r.news.Load() {
		s.compare()
	}
}
