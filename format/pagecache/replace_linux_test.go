package pagecache

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// The bytes of a mapping stay where they are and what they are while copies take its place, and when the file is shorter they stay mapped.
func TestReplace(t *testing.T) {
	const size = 8*Piece + 4096
	data := make([]byte, size)
	rng := rand.NewChaCha8([32]byte{1})
	rng.Read(data)
	for _, dir := range []string{t.TempDir(), "/dev/shm"} { // a disk, and a file system of memory
		dir, err := os.MkdirTemp(dir, "st-test-")
		if err != nil {
			t.Log(err)
			continue
		}
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, "file")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Log(err)
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		mapped, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_PRIVATE)
		if err != nil {
			t.Fatal(err)
		}
		from, to := Whole(mapped)
		if to-from < 7*Piece {
			t.Fatalf("whole pieces are %d to %d of %d bytes", from, to, size)
		}
		var stop atomic.Bool
		var reading sync.WaitGroup
		reading.Go(func() {
			for !stop.Load() {
				if !bytes.Equal(mapped, data) {
					t.Error("the bytes change while they are replaced")
					return
				}
			}
		})
		for at := from; at < to; at += 2 * Piece {
			if err := Replace(f, int64(at), mapped[at:min(at+2*Piece, to)]); err != nil {
				t.Fatal(err)
			}
		}
		stop.Store(true)
		reading.Wait()
		if !bytes.Equal(mapped, data) {
			t.Error("the bytes are others after they were replaced")
		}
		_, large, err := Mapped(mapped)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d of %d MiB are in large pieces", dir, large>>20, size>>20)

		// A file that is cut is not read any more where it was replaced.
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(mapped[from:to], data[from:to]) {
			t.Error("the copy follows the file")
		}
		if err := Replace(f, int64(from), mapped[from:from+Piece]); err == nil {
			t.Error("a file that is too short was copied")
		}
		if !bytes.Equal(mapped[from:to], data[from:to]) {
			t.Error("an error changed the bytes")
		}
		if err := unix.Munmap(mapped); err != nil {
			t.Error(err)
		}
	}
}

func TestReplaceTakesWholePieces(t *testing.T) {
	f, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := Replace(f, 0, make([]byte, 4096)); err == nil {
		t.Error("a part of a piece was replaced")
	}
}
