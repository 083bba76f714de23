package engine_test

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"st/format"
	"st/quant"
	"st/runtime/engine"
)

// faultyFile is a model file whose reads fail as fault says; it is not mapped into memory.
type faultyFile struct {
	io.ReaderAt
	size  int64
	close func() error
	mu    sync.Mutex
	fault func(at int64, b []byte) (n int, err error, failed bool) // nil: none
}

func (f *faultyFile) Size() (int64, error) { return f.size, nil }

func (f *faultyFile) Close() error { return f.close() }

func (f *faultyFile) ReadAt(b []byte, at int64) (int, error) {
	f.mu.Lock()
	fault := f.fault
	f.mu.Unlock()
	if fault != nil {
		if n, err, failed := fault(at, b); failed {
			return n, err
		}
	}
	return f.ReaderAt.ReadAt(b, at)
}

func (f *faultyFile) set(fault func(at int64, b []byte) (int, error, bool)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

func openFaulty(t *testing.T, path string) (*faultyFile, *format.Reader) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	f := &faultyFile{ReaderAt: file, size: info.Size(), close: file.Close}
	r, err := format.NewReader(f, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return f, r
}

// A read that fails is an error that names the expert, and the engine stays usable: what can be read gives the same bits.
func TestStreamedFaults(t *testing.T) {
	path := write(t, manyExperts(), quant.Q4_0)
	whole, err := engine.Open(t.Context(), reader(t, path), engine.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { whole.Close() })
	want := steps(t, session(t, whole), 40, 1)
	for _, tt := range []struct {
		name  string
		fault func(b []byte) (int, error)
		is    error
		says  string
	}{
		{"an I/O error", func([]byte) (int, error) { return 0, syscall.EIO }, syscall.EIO, "input/output error"},
		{"a short read", func(b []byte) (int, error) { return len(b) / 2, io.EOF }, format.ErrTruncated, "truncated"},
		{"nothing", func([]byte) (int, error) { return 0, io.EOF }, format.ErrTruncated, "truncated"},
		{"other bytes", func(b []byte) (int, error) { clear(b); return len(b), nil }, format.ErrCorrupt, "checksum"},
	} {
		for _, once := range []bool{true, false} {
			name := tt.name + " forever"
			if once {
				name = tt.name + " once"
			}
			t.Run(name, func(t *testing.T) {
				f, r := openFaulty(t, path)
				expert, _ := r.Expert(1, 7)
				failed := false
				// The engine fills its slots as soon as it is open.
				f.set(func(at int64, b []byte) (int, error, bool) {
					if at != expert.Offset || once && failed {
						return 0, nil, false
					}
					failed = true
					n, err := tt.fault(b)
					return n, err, true
				})
				e := stream(t, r, engine.Options{Threads: 2}, 0)
				s := session(t, e)
				var err error
				for range 3 { // a read ahead of need may have been the one that failed
					if _, err = s.Forward(t.Context(), prompt(40, 50)); err != nil {
						break
					}
					s.Truncate(0)
				}
				if !once || err != nil {
					if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "layer 1 expert 7") ||
						!strings.Contains(err.Error(), path) {
						t.Errorf("error is %v, want one that names the file and layer 1 expert 7 and says %q", err, tt.says)
					}
				}
				f.set(nil)
				for i, got := range steps(t, s, 40, 1) {
					if !slices.Equal(got, want[i]) {
						t.Errorf("step %d after the fault gives other logits", i)
					}
				}
			})
		}
	}
}

// A disk that gives other bytes for experts that came intact before is found after some more reads: not all of them are compared with their checksums.
func TestStreamedDecay(t *testing.T) {
	f, r := openFaulty(t, write(t, manyExperts(), quant.Q4_0))
	d := newDecay(r)
	f.set(func(at int64, b []byte) (int, error, bool) {
		if !d.read(at) {
			return 0, nil, false
		}
		clear(b)
		return len(b), nil, true
	})
	d.test(t, stream(t, r, engine.Options{Threads: 2}, 0))
}

// decay is a disk that begins to give other bytes for experts that were read before.
type decay struct {
	mu        sync.Mutex
	began     bool
	good, bad map[int64]int // reads, by the offset of the expert
}

func newDecay(r *format.Reader) *decay {
	d := &decay{good: map[int64]int{}, bad: map[int64]int{}}
	for l := range r.Config.Layers {
		for x := range r.Config.MoE.Experts {
			rec, _ := r.Expert(l, x)
			d.good[rec.Offset] = 0
		}
	}
	return d
}

// read counts a read at an offset, and reports whether it gives other bytes.
func (d *decay) read(at int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, ok := d.good[at]
	if ok && d.began && n > 0 {
		d.bad[at]++
		return true
	}
	if ok {
		d.good[at]++
	}
	return false
}

// test runs passes until the other bytes are found.
func (d *decay) test(t *testing.T, e *engine.Engine) {
	s := session(t, e)
	var err error
	for passes := 0; err == nil; passes++ {
		if passes == 20*engine.CheckedReads {
			t.Fatalf("other bytes are no error: %v", d.bad)
		}
		d.mu.Lock()
		d.began = passes >= 3
		d.mu.Unlock()
		s.Truncate(0)
		_, err = s.Forward(t.Context(), prompt(40, 50))
	}
	if !errors.Is(err, format.ErrCorrupt) {
		t.Errorf("error is %v, want ErrCorrupt", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	total := 0
	for at, n := range d.bad {
		total += n
		if n > engine.CheckedReads {
			t.Errorf("the expert at %d gave other bytes %d times, want an error by number %d", at, n, engine.CheckedReads)
		}
	}
	if total < 2 {
		t.Error("the first read of other bytes was found: every read is compared")
	}
}

// cancelStalled has a pass wait for a file all of whose reads stall, cancels it, and returns what has them go on.
func cancelStalled(t *testing.T, f *faultyFile, s *engine.Session, tokens []int32) (goOn func()) {
	t.Helper()
	stalled, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	f.set(func(int64, []byte) (int, error, bool) {
		once.Do(func() { close(stalled) })
		<-release
		return 0, nil, false
	})
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		_, err := s.Forward(ctx, tokens)
		result <- err
	}()
	<-stalled
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context.Canceled", err)
	}
	return func() {
		f.set(nil)
		close(release)
	}
}

// A disk that stalls does not keep a cancelled pass waiting, nor Close; when it goes on, so does the engine.
func TestStreamedStall(t *testing.T) {
	path := write(t, manyExperts(), quant.Q4_0)
	f, r := openFaulty(t, path)
	e := stream(t, r, engine.Options{Threads: 2}, 0)
	s := session(t, e)
	first := forward(t, s, prompt(40, 50)...)

	goOn := cancelStalled(t, f, s, prompt(100, 50)[40:])
	goOn()
	s.Truncate(0)
	if again := forward(t, s, prompt(40, 50)...); !slices.Equal(first, again) {
		t.Error("other logits after the stall")
	}

	// A token that was cancelled can be tried again.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	want := forward(t, s, 5)
	s.Truncate(0)
	forward(t, s, prompt(40, 50)...)
	if _, err := s.Forward(ctx, []int32{5}); !errors.Is(err, context.Canceled) {
		t.Fatalf("error is %v, want context.Canceled", err)
	}
	if got := forward(t, s, 5); !slices.Equal(got, want) {
		t.Error("the token gives other logits when it is tried again")
	}

	// Close does not wait for the disk.
	goOn = cancelStalled(t, f, s, prompt(60, 50))
	e.Close()
	goOn()
}

// A file that shrinks while it is in use is an error that names the expert, and one that is replaced goes on being read.
func TestStreamedFileChanges(t *testing.T) {
	path := write(t, manyExperts(), quant.Q4_0)
	e := stream(t, reader(t, path), engine.Options{Threads: 2}, 0)
	s := session(t, e)
	want := steps(t, s, 40)
	if err := os.Rename(write(t, base(), quant.F32), path); err != nil {
		t.Skip("a file in use cannot be replaced here:", err)
	}
	if got := steps(t, s, 40); !slices.Equal(got[0], want[0]) {
		t.Error("other logits after the file was replaced")
	}

	path = write(t, manyExperts(), quant.Q4_0)
	e = stream(t, reader(t, path), engine.Options{Threads: 2}, 0)
	if err := os.Truncate(path, 4096); err != nil {
		t.Skip("a file in use cannot be truncated here:", err)
	}
	if _, err := session(t, e).Forward(t.Context(), prompt(200, 50)); !errors.Is(err, format.ErrTruncated) {
		t.Errorf("error is %v, want ErrTruncated", err)
	}
}
