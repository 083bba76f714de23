package engine_test

import (
	"context"
	"errors"
	"os"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"st/format"
	"st/format/uring"
	"st/quant"
	"st/runtime/engine"
)

// needsUring makes engines read experts with an io_uring. It skips the test where there is none.
func needsUring(t *testing.T) {
	t.Helper()
	q, err := uring.New(1)
	if err != nil {
		t.Skip(err)
	}
	q.Close()
	f, _, err := reader(t, write(t, manyExperts(), quant.Q4_0)).Direct()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, ok := format.Descriptor(f); !ok {
		t.Skip("the file system has no direct reads")
	}
	t.Setenv(engine.ReadMethodVariable, "uring")
}

// Experts are read with an io_uring or by threads: the bits are the same, and those of the mapped file.
func TestReadMethods(t *testing.T) {
	needsUring(t)
	r := reader(t, write(t, manyExperts(), quant.Q4_0))
	lengths := []int{30, 1, 1, 280, 1, 1, 1}
	want := steps(t, session(t, openReader(t, r, engine.Options{Threads: 2})), lengths...)
	for _, tt := range []struct{ variable, method string }{{"", engine.ReadByUring}, {"uring", engine.ReadByUring}, {"threads", engine.ReadByThreads}} {
		t.Setenv(engine.ReadMethodVariable, tt.variable)
		for _, threads := range []int{1, 2} {
			e := stream(t, r, engine.Options{Threads: threads}, 0)
			if got := e.ReadMethod(); got != tt.method {
				t.Fatalf("%q reads by %s, want %s", tt.variable, got, tt.method)
			}
			for i, got := range steps(t, session(t, e), lengths...) {
				if !slices.Equal(got, want[i]) {
					t.Errorf("by %s, %d threads: step %d differs", tt.method, threads, i)
				}
			}
		}
	}

	// A kernel or a container without io_uring: by threads, unless it was asked for.
	restore := engine.RefuseQueues(uring.ErrUnsupported)
	t.Setenv(engine.ReadMethodVariable, "")
	e := stream(t, r, engine.Options{Threads: 2}, 0)
	if got := e.ReadMethod(); got != engine.ReadByThreads {
		t.Errorf("without an io_uring it reads by %s", got)
	}
	if got := steps(t, session(t, e), lengths...); !slices.EqualFunc(got, want, slices.Equal) {
		t.Error("without an io_uring: other logits")
	}
	t.Setenv(engine.ReadMethodVariable, "uring")
	if _, err := engine.Open(t.Context(), r, engine.Options{Memory: 1 << 40}); !errors.Is(err, uring.ErrUnsupported) {
		t.Errorf("an io_uring that is not there: %v", err)
	}
	restore()

	t.Setenv(engine.ReadMethodVariable, "carrier-pigeon")
	opts := engine.Options{Memory: 1 << 40}
	if _, err := engine.Open(t.Context(), r, opts); err == nil || !strings.Contains(err.Error(), "ST_IO=carrier-pigeon is unknown: uring or threads") {
		t.Errorf("an unknown method: %v", err)
	}
	t.Setenv(engine.ReadMethodVariable, "uring")
	_, faulty := openFaulty(t, write(t, manyExperts(), quant.Q4_0))
	if _, err := engine.Open(t.Context(), faulty, opts); err == nil || !strings.Contains(err.Error(), "past the page cache") {
		t.Errorf("a file that is none of the system's: %v", err)
	}
}

// queue is an io_uring whose completions and submissions change.
type queue struct {
	engine.CompletionQueue
	change func(n int, err error) (int, error) // nil: nothing
	refuse *atomic.Int64                       // so many submissions fail; nil: none
}

func (q *queue) Completions(done func(id uint64, n int, err error)) int {
	return q.CompletionQueue.Completions(func(id uint64, n int, err error) {
		if q.change != nil {
			n, err = q.change(n, err)
		}
		done(id, n, err)
	})
}

func (q *queue) Submit() error {
	if q.refuse != nil && q.refuse.Add(-1) >= 0 {
		return syscall.EAGAIN
	}
	return q.CompletionQueue.Submit()
}

// What is read in part, interrupted or refused for now is read again: the bits are the same.
func TestRingReadsAgain(t *testing.T) {
	needsUring(t)
	r := reader(t, write(t, manyExperts(), quant.Q4_0))
	want := steps(t, session(t, openReader(t, r, engine.Options{Threads: 2})), 40, 1, 1)
	for name, change := range map[string]func(n int, err error) (int, error){
		"in part":     func(n int, err error) (int, error) { return n / 2, err },
		"nothing":     func(n int, err error) (int, error) { return 0, err },
		"interrupted": func(int, error) (int, error) { return 0, syscall.EINTR },
		"refused":     nil,
	} {
		t.Run(name, func(t *testing.T) {
			q := &queue{change: change}
			if change == nil {
				q.refuse = new(atomic.Int64)
				q.refuse.Store(20)
			}
			defer engine.WrapQueue(func(inner engine.CompletionQueue) engine.CompletionQueue {
				q.CompletionQueue = inner
				return q
			})()
			e := stream(t, r, engine.Options{Threads: 2}, 0)
			for i, got := range steps(t, session(t, e), 40, 1, 1) {
				if !slices.Equal(got, want[i]) {
					t.Errorf("step %d differs", i)
				}
			}
			e.Close()
		})
	}
}

// brokenQueue is an io_uring that fails for good: when so many submissions have succeeded, or so many waits.
type brokenQueue struct {
	engine.CompletionQueue
	submissions, waits int64
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
				return &brokenQueue{inner, tt.submissions, tt.waits}
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
			for tt.waits < never && e.ReadMethod() == engine.ReadByUring { // it did not have to wait yet
				steps(t, s, lengths...)
			}
			if got := e.ReadMethod(); got != engine.ReadByThreads {
				t.Errorf("it reads by %s", got)
			}
			if n := <-told; n != 2 || len(told) > 0 { // so that the program lets them read beside those that compute
				t.Errorf("it is told of %d threads that compute, and %d times more", n, len(told))
			}
			e.Close()
			for descriptors(t) > before {
				goruntime.Gosched()
			}
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
	for descriptors(t) > before {
		goruntime.Gosched()
	}
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
		is     error
	}{
		{"cut", func(f *os.File) error { return f.Truncate(last.Offset + 100) }, format.ErrTruncated},
		{"other bytes", func(f *os.File) error {
			_, err := f.WriteAt([]byte("other"), last.Offset+20)
			return err
		}, format.ErrCorrupt},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			e := stream(t, r, engine.Options{Threads: 2}, 0) // whose memory has no room for the last expert yet
			s := session(t, e)
			if err := tt.damage(f); err != nil {
				t.Fatal(err)
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
	for descriptors(t) > before { // they are given back by a goroutine
		goruntime.Gosched()
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(names)
}

// The cache is filled while no pass runs, also after one has interrupted that.
func TestFillBetweenPasses(t *testing.T) {
	needsUring(t)
	for _, method := range []string{"uring", "threads"} {
		t.Run(method, func(t *testing.T) {
			t.Setenv(engine.ReadMethodVariable, method)
			path := write(t, manyExperts(), quant.Q4_0)
			r := reader(t, path)
			e := stream(t, r, engine.Options{Threads: 2}, 0)
			forward(t, session(t, e), prompt(10, 50)...)
			if _, err := r.RecordUsage(e.Usage()); err != nil {
				t.Fatal(err)
			}
			r = reader(t, path)
			e = stream(t, r, engine.Options{Threads: 2}, 200<<10)
			s := session(t, e)
			forward(t, s, prompt(10, 50)...)
			if n := e.Unfill(); n < 8 {
				t.Fatalf("%d experts are in memory", n)
			}
			forward(t, s, 1)
			for !e.Filled() {
				goruntime.Gosched()
			}
		})
	}
}
