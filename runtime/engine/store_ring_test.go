package engine_test

import (
	"errors"
	"slices"
	"strings"
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
			engine.Eventually(t, "the cache is filled", e.Filled)
		})
	}
}
