package disk

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fake is a disk in virtual time: so many heads, each of which serves one read at a time, taking what it takes to find it and to bring it; what
// all bring goes through one bus.
type fake struct {
	heads   chan struct{}
	find    time.Duration
	head    float64 // bytes a second of one head
	busRate float64

	mu       sync.Mutex
	busFree  time.Time // when the bus has brought all that was put on it
	reads    int
	inFlight int
	most     int
	failAt   int // the read that fails; 0: none
}

func newFake(heads int, find time.Duration, head, bus float64) *fake {
	return &fake{heads: make(chan struct{}, heads), find: find, head: head, busRate: bus}
}

var errRead = errors.New("the disk is broken")

func (f *fake) ReadAt(b []byte, at int64) (int, error) {
	f.mu.Lock()
	f.reads++
	f.inFlight++
	f.most = max(f.most, f.inFlight)
	fails := f.reads == f.failAt
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.inFlight--
		f.mu.Unlock()
	}()
	if fails {
		return 0, errRead
	}
	if at < 0 || at%4096 != 0 || at+int64(len(b)) > fakeSize {
		return 0, io.ErrUnexpectedEOF
	}
	f.heads <- struct{}{}
	defer func() { <-f.heads }()
	took := func(rate float64) time.Duration { return time.Duration(float64(len(b)) / rate * float64(time.Second)) }
	begin := time.Now()
	time.Sleep(f.find)
	f.mu.Lock()
	now := time.Now()
	if f.busFree.Before(now) {
		f.busFree = now
	}
	f.busFree = f.busFree.Add(took(f.busRate))
	until := f.busFree
	f.mu.Unlock()
	if t := begin.Add(f.find + took(f.head)); t.After(until) {
		until = t
	}
	time.Sleep(time.Until(until))
	return len(b), nil
}

const fakeSize = 2<<30 + 12345

// speed is what the disk gives in the long run.
func (f *fake) speed(t *testing.T, depth int, record int64) float64 {
	m := &meter{ctx: t.Context(), file: f, size: fakeSize, memory: make([]byte, int64(depth)*record), begin: time.Now()}
	p := &probe{size: record, depth: depth}
	for range 40 {
		if err := m.run(p); err != nil {
			t.Fatal(err)
		}
	}
	return p.speed()
}

// What is chosen gives the best speed of all depths, or up to 5 % less, with no more in flight than that takes; and it is found in time.
func TestMeasure(t *testing.T) {
	const record = 2 << 20
	for _, tt := range []struct {
		name   string
		disk   func() *fake
		depth  [2]int // from, to
		within time.Duration
	}{
		{"NVMe: many channels, each slower than the bus", func() *fake { return newFake(64, 80*time.Microsecond, 800e6, 3.5e9) }, [2]int{4, 8}, 550 * time.Millisecond},
		{"hard disk: one head that seeks", func() *fake { return newFake(1, 12*time.Millisecond, 160e6, 600e6) }, [2]int{1, 1}, 650 * time.Millisecond},
		{"SATA: the bus is the limit", func() *fake { return newFake(32, 100*time.Microsecond, 900e6, 540e6) }, [2]int{1, 2}, 550 * time.Millisecond},
		{"network: far, and with a bandwidth", func() *fake { return newFake(256, 4*time.Millisecond, 120e6, 250e6) }, [2]int{2, 8}, 650 * time.Millisecond},
		{"memory card: slow whatever is asked of it", func() *fake { return newFake(1, 1*time.Millisecond, 20e6, 20e6) }, [2]int{1, 1}, 800 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				s, err := Measure(t.Context(), tt.disk(), fakeSize, record)
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begin); took > tt.within {
					t.Errorf("it took %v", took)
				}
				if err := s.Check(); err != nil {
					t.Error(err)
				}
				r := s.Reads(record)
				t.Logf("%+v of %+v", r, s.Speeds)
				if r.Depth < tt.depth[0] || r.Depth > tt.depth[1] || r.Source != Measured {
					t.Errorf("chose %+v, want a depth of %v", r, tt.depth)
				}
				best := 0.
				for depth := 1; depth <= 16; depth++ {
					best = max(best, tt.disk().speed(t, depth, record))
				}
				if v := tt.disk().speed(t, r.Depth, record); v < 0.95*best {
					t.Errorf("%+v gives %.1f MB/s, the best %.1f", r, v/1e6, best/1e6)
				}
			})
		})
	}
}

// A disk that fails, and a caller who gives up, end a measurement with their error.
func TestMeasureFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(4, time.Millisecond, 1e9, 1e9)
		f.failAt = 30
		if _, err := Measure(t.Context(), f, fakeSize, 2<<20); !errors.Is(err, errRead) {
			t.Errorf("a read that fails: %v", err)
		}
		f = newFake(4, time.Millisecond, 1e9, 1e9)
		f.failAt = 1
		if _, err := Measure(t.Context(), f, fakeSize, 2<<20); !errors.Is(err, errRead) {
			t.Errorf("the first read fails: %v", err)
		}
		gone, giveUp := context.WithCancel(t.Context())
		giveUp()
		if _, err := Measure(gone, newFake(4, time.Millisecond, 1e9, 1e9), fakeSize, 2<<20); !errors.Is(err, context.Canceled) {
			t.Errorf("a caller who gave up before: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		begin := time.Now()
		if _, err := Measure(ctx, newFake(4, time.Millisecond, 1e9, 1e9), fakeSize, 2<<20); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a caller who gives up: %v", err)
		}
		if took := time.Since(begin); took > 200*time.Millisecond {
			t.Errorf("it went on for %v", took)
		}
	})
}

// Of equal speeds the one with the fewest reads in flight is chosen, of those with the size that is most like that of the records.
func TestReads(t *testing.T) {
	s := &Speeds{Source: Remembered, Speeds: []Speed{
		{2 << 20, 1, 1.0e9, 0}, {2 << 20, 2, 2.00e9, 0}, {2 << 20, 4, 2.02e9, 0},
		{512 << 10, 1, 0.5e9, 0}, {512 << 10, 4, 1.95e9, 0}, {512 << 10, 8, 2.01e9, 0},
		{128 << 10, 4, 0.6e9, 0}, {128 << 10, 16, 1.94e9, 0},
	}}
	for record, want := range map[int64]int{2 << 20: 2, 100 << 20: 2, 600 << 10: 2, 500 << 10: 4, 4096: 16} {
		if got := s.Reads(record); got != (Reads{Depth: want, Source: Remembered}) {
			t.Errorf("records of %d bytes: %+v, want a depth of %d", record, got, want)
		}
	}
	for record, want := range map[int64]int64{1: 128 << 10, 128 << 10: 128 << 10, 128<<10 + 1: 512 << 10, 1990656: 2 << 20, 3 << 20: 4 << 20, 9 << 20: 4 << 20} {
		if got := Size(record); got != want {
			t.Errorf("for records of %d bytes a disk is measured with reads of %d, want %d", record, got, want)
		}
	}
}

// What was remembered is used only if it can be what was measured.
func TestCheck(t *testing.T) {
	good := Speed{2 << 20, 4, 1e9, 0}
	for _, tt := range []struct {
		speeds []Speed
		ok     bool
	}{
		{[]Speed{good}, true}, {nil, false}, {[]Speed{good, {2 << 20, 0, 1e9, 0}}, false}, {[]Speed{{2 << 20, 1 << 30, 1e9, 0}}, false}, {[]Speed{{3, 4, 1e9, 0}}, false},
		{[]Speed{{2 << 20, 4, 0, 0}}, false}, {[]Speed{{2 << 20, 4, -1, 0}}, false},
	} {
		if err := (&Speeds{Speeds: tt.speeds}).Check(); (err == nil) != tt.ok {
			t.Errorf("%+v: %v", tt.speeds, err)
		}
	}
}

// No part of a file is read twice while there are others.
func TestPlaces(t *testing.T) {
	for _, size := range sizes {
		m := &meter{size: 96<<20 + 5}
		seen := map[int64]bool{}
		for range 24 * (4 << 20) / size {
			at := m.next(size)
			if seen[at] || at%size != 0 || at+size > m.size {
				t.Fatalf("reads of %d bytes: one at %d", size, at)
			}
			seen[at] = true
		}
	}
}

// A file's disk has one name, which other files on it share.
func TestKey(t *testing.T) {
	dir := t.TempDir()
	a, err := Key(dir)
	b, errB := Key("disk_test.go")
	if err != nil || errB != nil || !strings.Contains(a, "host=") || !strings.Contains(b, "host=") {
		t.Errorf("%q, %v; %q, %v", a, err, b, errB)
	}
	if again, err := Key(dir); again != a || err != nil {
		t.Errorf("%q, and then %q, %v", a, again, err)
	}
	if _, err := Key(dir + "/none"); err == nil {
		t.Error("a file that does not exist is on a disk")
	}
	t.Log(a)
}
