//go:build amd64 || arm64

package uring

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What is used of linux/io_uring.h.
const (
	opNop  = 0
	opRead = 22

	enterGetEvents = 1 << 0
	enterExtArg    = 1 << 3

	featSingleMmap = 1 << 0 // both rings lie in one mapping
	featNoDrop     = 1 << 1 // completions are never dropped
	featRWCurPos   = 1 << 3 // as old as opRead
	featExtArg     = 1 << 8 // a wait can have a timeout
	featsNeeded    = featSingleMmap | featNoDrop | featRWCurPos | featExtArg

	offsetRings   = 0
	offsetEntries = 0x10000000
)

// params is struct io_uring_params.
type params struct {
	sqEntries, cqEntries, flags, threadCPU, threadIdle, features, wqFD uint32
	_                                                                  [3]uint32
	sq                                                                 struct {
		head, tail, mask, entries, flags, dropped, array, _ uint32
		_                                                   uint64
	}
	cq struct {
		head, tail, mask, entries, overflow, entriesAt, flags, _ uint32
		_                                                        uint64
	}
}

// submission is struct io_uring_sqe, and completion struct io_uring_cqe.
type submission struct {
	op, flags   uint8
	priority    uint16
	fd          int32
	offset      uint64
	address     uint64
	length      uint32
	readFlags   uint32
	id          uint64
	bufferIndex uint16
	personality uint16
	_           int32
	_           [2]uint64
}

type completion struct {
	id     uint64
	result int32
	flags  uint32
}

// wakeID is the id of what Wake submits.
const wakeID = 1<<64 - 1

// waitArg is struct io_uring_getevents_arg.
type waitArg struct {
	signals     uint64
	signalsSize uint32
	_           uint32
	timeout     uint64 // the address of a struct __kernel_timespec
}

// shortWait is how long a wait keeps the processor that Go's scheduler gave it: giving it to another goroutine and taking it back costs more threads'
// waking up than the reads that it waits for take. longWait is how long it then waits at most.
var (
	shortWait = unix.Timespec{Nsec: 2e6}
	longWait  = unix.Timespec{Nsec: 1e8}
)

// Ring is an io_uring.
type Ring struct {
	fd             int
	short, long    waitArg
	rings, entries []byte // mappings

	mu          sync.Mutex // held while the submission queue is written
	closed      bool
	stopped     bool // nothing is queued any more
	submissions []submission
	sqHead      *atomic.Uint32
	sqTail      *atomic.Uint32
	sqMask      uint32
	queued      uint32 // in the queue, not submitted

	cqHead      *atomic.Uint32
	cqTail      *atomic.Uint32
	cqMask      uint32
	completions []completion
	inFlight    atomic.Int64 // reads, queued ones counted in
}

// New returns a ring for so many reads at a time.
func New(entries int) (*Ring, error) {
	var p params
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, uintptr(2*entries), uintptr(unsafe.Pointer(&p)), 0) // twice: for what Wake submits
	if errno != 0 {
		return nil, fmt.Errorf("%w: io_uring_setup: %w", ErrUnsupported, errno)
	}
	r := &Ring{fd: int(fd)}
	if p.features&featsNeeded != featsNeeded {
		r.Close()
		return nil, fmt.Errorf("%w: the kernel is too old", ErrUnsupported)
	}
	r.short.timeout, r.long.timeout = uint64(uintptr(unsafe.Pointer(&shortWait))), uint64(uintptr(unsafe.Pointer(&longWait)))
	unix.CloseOnExec(r.fd)
	if err := r.mapQueues(&p); err != nil {
		r.Close()
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return r, nil
}

func (r *Ring) mapQueues(p *params) (err error) {
	size := max(uint64(p.sq.array)+uint64(p.sqEntries)*4, uint64(p.cq.entriesAt)+uint64(p.cqEntries)*uint64(unsafe.Sizeof(completion{})))
	const access, how = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE
	if r.rings, err = unix.Mmap(r.fd, offsetRings, int(size), access, how); err != nil {
		return fmt.Errorf("map the rings: %w", err)
	}
	if r.entries, err = unix.Mmap(r.fd, offsetEntries, int(p.sqEntries)*int(unsafe.Sizeof(submission{})), access, how); err != nil {
		return fmt.Errorf("map the submission queue: %w", err)
	}
	word := func(at uint32) *atomic.Uint32 { return (*atomic.Uint32)(unsafe.Pointer(&r.rings[at])) }
	r.sqHead, r.sqTail, r.sqMask = word(p.sq.head), word(p.sq.tail), word(p.sq.mask).Load()
	r.cqHead, r.cqTail, r.cqMask = word(p.cq.head), word(p.cq.tail), word(p.cq.mask).Load()
	r.submissions = unsafe.Slice((*submission)(unsafe.Pointer(&r.entries[0])), p.sqEntries)
	r.completions = unsafe.Slice((*completion)(unsafe.Pointer(&r.rings[p.cq.entriesAt])), p.cqEntries)
	array := unsafe.Slice((*uint32)(unsafe.Pointer(&r.rings[p.sq.array])), p.sqEntries)
	for i := range array { // entries are used in order
		array[i] = uint32(i)
	}
	return nil
}

// queue puts an entry into the submission queue; false: it is full. The mutex is held.
func (r *Ring) queue(s submission) bool {
	tail := r.sqTail.Load()
	if r.stopped || tail-r.sqHead.Load() >= uint32(len(r.submissions)) {
		return false
	}
	r.submissions[tail&r.sqMask] = s
	r.sqTail.Store(tail + 1)
	r.queued++
	return true
}

// Read queues a read of the whole buffer from an offset of a file; it begins with Submit. It reports false if the queue is full. The id, which is not
// the largest number, comes back with the completion.
func (r *Ring) Read(fd int, buf []byte, offset int64, id uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	ok := r.queue(submission{op: opRead, fd: int32(fd), offset: uint64(offset), address: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(buf)))),
		length: uint32(len(buf)), id: id})
	if ok {
		r.inFlight.Add(1)
	}
	return ok
}

// Submit begins what is queued. It does not wait for the disk.
func (r *Ring) Submit() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.submit()
}

func (r *Ring) submit() error {
	for r.queued > 0 {
		// Not announced to Go's scheduler: it takes some microseconds, in which the processor need not be given to another goroutine.
		n, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(r.queued), 0, 0, 0, 0)
		switch errno {
		case 0:
			r.queued -= uint32(n)
			if n == 0 {
				return syscall.EAGAIN
			}
		case unix.EINTR:
		default:
			return fmt.Errorf("io_uring_enter: %w", errno)
		}
	}
	return nil
}

// Stop begins nothing any more: it takes back what is queued and was not begun, and calls dropped for the reads among that. It is for a ring whose Submit
// or Wait fails. Completions goes on to tell which of the others have ended.
func (r *Ring) Stop(dropped func(id uint64)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	tail := r.sqTail.Load()
	for i := tail - r.queued; i != tail; i++ {
		if s := r.submissions[i&r.sqMask]; s.id != wakeID {
			r.inFlight.Add(-1)
			dropped(s.id)
		}
	}
	r.sqTail.Store(tail - r.queued) // which the kernel looks at when something is submitted
	r.queued = 0
}

// Ready reports whether Completions has something.
func (r *Ring) Ready() bool { return r.cqHead.Load() != r.cqTail.Load() }

// Completions calls done for the reads that have ended, in the order in which they did, with the bytes that were read: fewer than asked for at the end
// of the file, and sometimes before it. It returns how many there were; it does not wait.
func (r *Ring) Completions(done func(id uint64, n int, err error)) int {
	head, tail, count := r.cqHead.Load(), r.cqTail.Load(), 0
	for ; head != tail; head++ {
		c := r.completions[head&r.cqMask]
		r.cqHead.Store(head + 1)
		if c.id == wakeID {
			continue
		}
		r.inFlight.Add(-1)
		count++
		if c.result < 0 {
			done(c.id, 0, syscall.Errno(-c.result))
		} else {
			done(c.id, int(c.result), nil)
		}
	}
	return count
}

// Wait returns when Ready is true, or earlier: a signal ends it, and so does a tenth of a second.
func (r *Ring) Wait() error {
	if r.Ready() {
		return nil
	}
	errno := r.wait(unix.RawSyscall6, &r.short)
	if errno == unix.ETIME && !r.Ready() {
		errno = r.wait(unix.Syscall6, &r.long)
	}
	switch errno {
	case 0, unix.ETIME, unix.EINTR, unix.EAGAIN, unix.EBUSY:
		return nil
	}
	return fmt.Errorf("io_uring_enter: %w", errno)
}

func (r *Ring) wait(call func(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err syscall.Errno), arg *waitArg) syscall.Errno {
	at := uintptr(unsafe.Pointer(arg)) // it is a part of the ring, which does not move
	_, _, errno := call(unix.SYS_IO_URING_ENTER, uintptr(r.fd), 0, 1, enterGetEvents|enterExtArg, at, unsafe.Sizeof(*arg))
	return errno
}

// Wake ends a Wait, now or, if there is none, the next one. It does nothing once the ring is closed.
func (r *Ring) Wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed && r.queue(submission{op: opNop, fd: -1, id: wakeID}) {
		_ = r.submit() // where that fails, the wait ends by its time
	}
}

// InFlight returns how many reads were queued and not dropped whose completions were not seen.
func (r *Ring) InFlight() int { return int(r.inFlight.Load()) }

// Close gives the ring back. No method but Wake may be called any more.
func (r *Ring) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, m := range [][]byte{r.entries, r.rings} {
		if m != nil {
			_ = unix.Munmap(m)
		}
	}
	r.entries, r.rings = nil, nil
	return unix.Close(r.fd)
}
