package pagecache

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// What was written leaves memory, comes back when it is read in order, and then lies in pieces that are hardly smaller.
func TestForgetAndRead(t *testing.T) {
	const size = 16 * Piece
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &fs); err != nil || fs.Type == unix.TMPFS_MAGIC || fs.Type == unix.OVERLAYFS_SUPER_MAGIC {
		t.Skipf("the file system keeps its pages (%v)", err)
	}
	mapped, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(mapped)
	Prefer(mapped)

	cached, written, ok := Share(mapped)
	if !ok || cached < 0.9 {
		t.Fatalf("after writing, %g of the file is in memory (%v), want nearly all", cached, ok)
	}
	Unmap(mapped)
	if err := Forget(f, 0, size); err != nil {
		t.Fatal(err)
	}
	if cached, _, ok = Share(mapped); !ok || cached > 0.1 {
		t.Fatalf("after Forget, %g of the file is in memory (%v), want next to nothing", cached, ok)
	}
	if err := Read(t.Context(), f, 0, size); err != nil {
		t.Fatal(err)
	}
	cached, read, ok := Share(mapped)
	if !ok || cached < 0.9 {
		t.Fatalf("after Read, %g of the file is in memory (%v), want nearly all", cached, ok)
	}
	if read < written/2 { // how many large pieces the kernel finds in memory differs
		t.Errorf("%g of what was read is in large pieces, and %g of what was written was", read, written)
	}
	t.Logf("in large pieces: %g after writing, %g after reading in order", written, read)
}

func TestReadEndsWithItsContext(t *testing.T) {
	f, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := Read(t.Context(), f, 0, 1<<20); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Read(ctx, f, 0, 1<<20); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want %v", err, context.Canceled)
	}
}
