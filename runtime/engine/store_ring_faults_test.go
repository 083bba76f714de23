package engine_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"st/format"
	"st/quant"
	"st/runtime/engine"
)

// brokenQueue is an io_uring that fails for good: when so many submissions have succeeded, or so many waits.
type brokenQueue struct {
	engine.CompletionQueue
	submissions, waits int64
	slow               bool // nothing comes before a wait fails, however fast the disk is
}

func (q *brokenQueue) late() bool { return q.slow && q.waits >= 0 }

func (q *brokenQueue) Ready() bool { return !q.late() && q.CompletionQueue.Ready() }

func (q *brokenQueue) Completions(done func(id uint64, n int, err error)) int {
	if q.late() {
		return 0
	}
	return q.CompletionQueue.Completions(done)
}

func (q *brokenQueue) Submit() error {
	if q.submissions--; q.submissions < 0 {
		return syscall.ENXIO
	}
	return q.CompletionQueue.Submit()
}

func (q *brokenQueue) Wait() error {
	if q.waits--; q.waits < 0 {
		return syscall.EBADF
	}
	return q.CompletionQueue.Wait()
}

// Threads replace an io_uring that fails, in the middle of a pass: the bits are the same.
func TestRingIsReplaced(t *testing.T) {
	needsUring(t)
	r := reader(t, write(t, manyExperts(), quant.Q4_0))
	lengths := []int{40, 1, 1, 200, 1}
	want := steps(t, session(t, openReader(t, r, engine.Options{Threads: 2})), lengths...)
	const never = 1 << 40
	for _, tt := range []struct {
		name               string
		submissions, waits int64
	}{
		{"the first submission fails", 0, never}, {"a submission fails", 3, never}, {"a later submission fails", 12, never},
		{"the first wait fails", never, 0}, {"all fails", 5, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := descriptors(t)
			restore := engine.WrapQueue(func(inner engine.CompletionQueue) engine.CompletionQueue {
				return &brokenQueue{inner, tt.submissions, tt.waits, tt.waits < never}
			})
			defer restore()
			told := make(chan int, 2)
			e := stream(t, r, engine.Options{Threads: 2, Fallback: func(threads int) { told <- threads }}, 0)
			s := session(t, e)
			for i, got := range steps(t, s, lengths...) {
				if !slices.Equal(got, want[i]) {
					t.Errorf("step %d differs", i)
				}
			}
			if got := e.ReadMethod(); got != engine.ReadByThreads {
				t.Errorf("it reads by %s", got)
			}
			if n := <-told; n != 2 || len(told) > 0 { // so that the program lets them read beside those that compute
				t.Errorf("it is told of %d threads that compute, and %d times more", n, len(told))
			}
			e.Close()
			engine.Eventually(t, "descriptors are given back", func() bool { return descriptors(t) <= before })
		})
	}

	// One that fails while memory is given back, or just before the end, keeps neither.
	q := &brokenQueue{submissions: never, waits: never}
	defer engine.WrapQueue(func(inner engine.CompletionQueue) engine.CompletionQueue {
		q.CompletionQueue = inner
		return q
	})()
	before := descriptors(t)
	e := stream(t, r, engine.Options{Threads: 2}, 300<<10)
	steps(t, session(t, e), 40, 1)
	q.submissions, q.waits = 0, 0
	if _, err := e.SetMemory(t.Context(), 1); err != nil {
		t.Errorf("memory is not given back: %v", err)
	}
	e.Close()
	engine.Eventually(t, "descriptors are given back", func() bool { return descriptors(t) <= before })
}

// A file that was damaged or cut is an error that names file, layer and expert; when it is whole again, so is the engine.
func TestRingFaults(t *testing.T) {
	needsUring(t)
	path := write(t, manyExperts(), quant.Q4_0)
	r := reader(t, path)
	last, _ := r.Expert(2, 11)
	want := steps(t, session(t, openReader(t, r, engine.Options{Threads: 2})), 200)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		damage func(f *os.File) error
		opened bool // the file is damaged after the engine was opened, which reads other parts of it; else before
		is     error
	}{
		{"cut", func(f *os.File) error { return f.Truncate(last.Offset + 100) }, true, format.ErrTruncated},
		// An expert that was intact once is not compared with its checksum at each read, and an engine that has just opened reads some.
		{"other bytes", func(f *os.File) error {
			_, err := f.WriteAt([]byte("other"), last.Offset+20)
			return err
		}, false, format.ErrCorrupt},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			damage := func() {
				if err := tt.damage(f); err != nil {
					t.Fatal(err)
				}
			}
			if !tt.opened {
				damage()
			}
			s := session(t, stream(t, r, engine.Options{Threads: 2}, 0))
			if tt.opened {
				damage()
			}
			_, err = s.Forward(t.Context(), prompt(200, 50))
			if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), "layer 2 expert 11") || !strings.Contains(err.Error(), path) {
				t.Errorf("error is %v, want one that names the file and layer 2 expert 11 and is %v", err, tt.is)
			}
			if _, err := f.WriteAt(content, 0); err != nil {
				t.Fatal(err)
			}
			if got := steps(t, s, 200); !slices.Equal(got[0], want[0]) {
				t.Error("other logits after the file was mended")
			}
		})
	}
}

// decayedQueue is an io_uring of a disk that begins to give other bytes.
type decayedQueue struct {
	engine.CompletionQueue
	*decay
	pieces map[uint64]piece // in flight
}

type piece struct {
	buf    []byte
	offset int64
}

func (q *decayedQueue) Read(fd int, buf []byte, offset int64, id uint64) bool {
	q.pieces[id] = piece{buf, offset}
	return q.CompletionQueue.Read(fd, buf, offset, id)
}

func (q *decayedQueue) Completions(done func(id uint64, n int, err error)) int {
	return q.CompletionQueue.Completions(func(id uint64, n int, err error) {
		if p := q.pieces[id]; q.read(p.offset) {
			clear(p.buf)
		}
		done(id, n, err)
	})
}

// With an io_uring, too, what comes of an expert that came intact before is compared with its checksum now and then.
func TestRingDecay(t *testing.T) {
	needsUring(t)
	r := reader(t, write(t, manyExperts(), quant.Q4_0))
	q := &decayedQueue{decay: newDecay(r), pieces: map[uint64]piece{}}
	defer engine.WrapQueue(func(inner engine.CompletionQueue) engine.CompletionQueue {
		q.CompletionQueue = inner
		return q
	})()
	q.test(t, stream(t, r, engine.Options{Threads: 2}, 0))
}

// stalledQueue is an io_uring of a disk that stalls: nothing comes until release is closed.
type stalledQueue struct {
	engine.CompletionQueue
	stalled atomic.Bool
	asleep  chan struct{} // a Wait that waits
	release chan struct{}
	wake    chan struct{}
	once    sync.Once
}

func (q *stalledQueue) Ready() bool { return !q.stalled.Load() && q.CompletionQueue.Ready() }

func (q *stalledQueue) Completions(done func(id uint64, n int, err error)) int {
	if q.stalled.Load() {
		return 0
	}
	return q.CompletionQueue.Completions(done)
}

func (q *stalledQueue) Wait() error {
	if q.stalled.Load() {
		q.once.Do(func() { close(q.asleep) })
		select {
		case <-q.release:
		case <-q.wake:
			return nil
		}
	}
	return q.CompletionQueue.Wait()
}

func (q *stalledQueue) Wake() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
	q.CompletionQueue.Wake()
}

// A disk that stalls keeps neither a pass that is cancelled nor Close; descriptors are given back when it goes on.
func TestRingStall(t *testing.T) {
	needsUring(t)
	r := reader(t, write(t, manyExperts(), quant.Q4_0))
	before := descriptors(t)
	q := &stalledQueue{asleep: make(chan struct{}), release: make(chan struct{}), wake: make(chan struct{}, 1)}
	defer engine.WrapQueue(func(inner engine.CompletionQueue) engine.CompletionQueue {
		q.CompletionQueue = inner
		return q
	})()
	e := stream(t, r, engine.Options{Threads: 2}, 0)
	s := session(t, e)
	first := forward(t, s, prompt(40, 50)...)

	q.stalled.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		_, err := s.Forward(ctx, prompt(100, 50)[40:])
		result <- err
	}()
	<-q.asleep
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context.Canceled", err)
	}
	q.stalled.Store(false)
	s.Truncate(0)
	if again := forward(t, s, prompt(40, 50)...); !slices.Equal(first, again) {
		t.Error("other logits after the stall")
	}

	q.asleep, q.once = make(chan struct{}), sync.Once{}
	q.stalled.Store(true)
	go func() {
		_, err := s.Forward(context.Background(), prompt(60, 50))
		result <- err
	}()
	<-q.asleep
	e.Close()
	if err := <-result; !errors.Is(err, engine.ErrClosed) {
		t.Errorf("error is %v, want ErrClosed", err)
	}
	q.stalled.Store(false)
	close(q.release)
	engine.Eventually(t, "descriptors are given back", func() bool { return descriptors(t) <= before })
}

func descriptors(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(names)
}
