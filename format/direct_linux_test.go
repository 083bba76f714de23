package format

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// A file in memory takes O_DIRECT, but what is read of it is in the page cache.
func TestDirectInMemory(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "st-test-")
	if err != nil {
		t.Skip("no file system in memory here:", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "m.stm")
	writeTest(t, path)
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if own, ok := r.file.(osFile); !ok || !inMemory(own.File) {
		t.Skip("/dev/shm is on a disk here")
	}
	f, direct, err := r.Direct()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if direct {
		t.Error("reads are said to go past the page cache")
	}
	rec, _ := r.Expert(0, 1)
	want, got := make([]byte, rec.Length), AlignedBytes(rec.Length)
	if err := r.ReadRecord(rec, want); err != nil {
		t.Fatal(err)
	}
	if err := r.ReadPart(f, rec, got, rec.Offset); err != nil || !bytes.Equal(got, want) {
		t.Errorf("other bytes, %v", err)
	}
}
