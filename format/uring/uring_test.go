//go:build linux

package uring

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func ring(t *testing.T, n int) *Ring {
	t.Helper()
	r, err := New(n)
	if errors.Is(err, ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// memory returns memory outside Go's heap.
func memory(t *testing.T, n int) []byte {
	t.Helper()
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(b) })
	return b
}

func file(t *testing.T, n int) (*os.File, []byte) {
	t.Helper()
	content := make([]byte, n)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range content {
		content[i] = byte(rng.Uint32())
	}
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, content
}

type result struct {
	n   int
	err error
}

// all waits for every read in flight.
func all(t *testing.T, r *Ring) map[uint64]result {
	t.Helper()
	got := map[uint64]result{}
	for r.InFlight() > 0 {
		if err := r.Wait(); err != nil {
			t.Fatal(err)
		}
		r.Completions(func(id uint64, n int, err error) { got[id] = result{n, err} })
	}
	return got
}

// More reads than the ring has room for at once bring what the file has.
func TestReads(t *testing.T) {
	const size, part = 1 << 20, 1 << 14
	f, content := file(t, size)
	r := ring(t, 8)
	defer r.Close()
	buf := memory(t, size)
	order, done := rand.New(rand.NewPCG(3, 4)).Perm(size/part), 0
	for done < size/part {
		for len(order) > 0 && r.InFlight() < 8 {
			i := order[0]
			if !r.Read(int(f.Fd()), buf[i*part:][:part], int64(i*part), uint64(i)) {
				t.Fatal("the queue is full")
			}
			order = order[1:]
		}
		if err := r.Submit(); err != nil {
			t.Fatal(err)
		}
		if err := r.Wait(); err != nil {
			t.Fatal(err)
		}
		done += r.Completions(func(id uint64, n int, err error) {
			if n != part || err != nil {
				t.Errorf("part %d: %d bytes, %v", id, n, err)
			}
		})
	}
	if !bytes.Equal(buf, content) {
		t.Error("other bytes")
	}
	if r.InFlight() != 0 || r.Ready() {
		t.Errorf("%d reads in flight at the end", r.InFlight())
	}
}

// A read beyond the end is short; one of a descriptor that is not open, or into memory that is not there, fails.
func TestFailures(t *testing.T) {
	f, content := file(t, 10000)
	r := ring(t, 8)
	defer r.Close()
	buf := memory(t, 1<<16)
	gone := memory(t, 1<<16)
	if err := unix.Mprotect(gone, unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	r.Read(int(f.Fd()), buf[:8192], 8192, 1)
	r.Read(int(f.Fd()), buf[8192:][:4096], 1<<20, 2)
	r.Read(1<<20, buf[16384:][:4096], 0, 3)
	r.Read(int(f.Fd()), gone[:4096], 0, 4)
	if err := r.Submit(); err != nil {
		t.Fatal(err)
	}
	got := all(t, r)
	for id, want := range map[uint64]result{1: {10000 - 8192, nil}, 2: {0, nil}, 3: {0, syscall.EBADF}, 4: {0, syscall.EFAULT}} {
		if got[id] != want {
			t.Errorf("read %d gives %+v, want %+v", id, got[id], want)
		}
	}
	if !bytes.Equal(buf[:10000-8192], content[8192:]) {
		t.Error("other bytes")
	}
}

// A full queue refuses more.
func TestFull(t *testing.T) {
	f, _ := file(t, 4096)
	r := ring(t, 1)
	defer r.Close()
	buf := memory(t, 1<<16)
	n := 0
	for r.Read(int(f.Fd()), buf[:64], 0, uint64(n)) {
		if n++; n > 1<<10 {
			t.Fatal("the queue has no end")
		}
	}
	if err := r.Submit(); err != nil {
		t.Fatal(err)
	}
	if got := all(t, r); len(got) != n {
		t.Errorf("%d of %d reads ended", len(got), n)
	}
}

// A ring that was stopped takes back what did not begin, tells what did, and takes nothing more.
func TestStop(t *testing.T) {
	f, content := file(t, 1<<16)
	r := ring(t, 8)
	defer r.Close()
	buf := memory(t, 1<<16)
	read := func(id uint64) bool { return r.Read(int(f.Fd()), buf[id<<12:][:1<<12], int64(id)<<12, id) }
	for _, id := range []uint64{0, 1} {
		read(id)
	}
	if err := r.Submit(); err != nil {
		t.Fatal(err)
	}
	for _, id := range []uint64{2, 3} {
		read(id)
	}
	var dropped []uint64
	r.Stop(func(id uint64) { dropped = append(dropped, id) })
	if !slices.Equal(dropped, []uint64{2, 3}) || r.InFlight() != 2 {
		t.Errorf("%v are taken back, and %d are in flight", dropped, r.InFlight())
	}
	if read(4) {
		t.Error("a stopped ring takes a read")
	}
	r.Wake() // which begins nothing
	if got := all(t, r); len(got) != 2 || !bytes.Equal(buf[:2<<12], content[:2<<12]) {
		t.Errorf("what was begun gives %v, or other bytes", got)
	}
	if !bytes.Equal(buf[2<<12:], make([]byte, len(buf)-2<<12)) {
		t.Error("what was taken back was read")
	}
}

// Wake ends a Wait that has nothing to wait for, whichever comes first. It is no completion.
func TestWake(t *testing.T) {
	r := ring(t, 2)
	defer r.Close()
	for range 100 {
		ended := make(chan error)
		go func() {
			for {
				if err := r.Wait(); err != nil || r.Ready() {
					ended <- err
					return
				}
			}
		}()
		r.Wake()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if n := r.Completions(func(uint64, int, error) {}); n != 0 {
			t.Errorf("%d completions", n)
		}
	}
}

// Reads that nobody waited for do no harm, and a closed ring leaves no descriptor.
func TestClose(t *testing.T) {
	f, _ := file(t, 1<<20)
	buf := memory(t, 1<<20)
	before := descriptors(t)
	for range 50 {
		r := ring(t, 8)
		for i := range 8 {
			r.Read(int(f.Fd()), buf[i<<17:][:1<<17], int64(i)<<17, uint64(i))
		}
		if err := r.Submit(); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	if goruntime.GOOS != "linux" {
		t.Skip("there is no list of descriptors")
	}
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return len(names)
}
