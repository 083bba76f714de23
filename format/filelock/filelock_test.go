package filelock_test

import (
	"os"
	"path/filepath"
	"testing"

	"st/format/filelock"
)

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	a, b, c := open(), open(), open()
	if err := filelock.Lock(a); err != nil {
		t.Fatal(err)
	}
	if ok, err := filelock.TryLock(b); ok || err != nil {
		t.Errorf("a locked file is locked once more: %t, %v", ok, err)
	}
	if err := filelock.Unlock(a); err != nil {
		t.Fatal(err)
	}
	if ok, err := filelock.TryLock(b); !ok || err != nil {
		t.Errorf("a file that was unlocked: %t, %v", ok, err)
	}
	// Closing a file ends its lock, for which others wait.
	locked := make(chan error)
	go func() { locked <- filelock.Lock(c) }()
	b.Close()
	if err := <-locked; err != nil {
		t.Error(err)
	}
}
