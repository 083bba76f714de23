//go:build unix

package remembered

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// A pipe in a file's place is no value, and nothing waits for a writer.
func TestCacheWithAPipe(t *testing.T) {
	c := Cache[int]{Dir: t.TempDir(), Key: "key"}
	if err := unix.Mkfifo(c.Path(), 0o600); err != nil {
		t.Skip(err)
	}
	if _, ok := c.Load(); ok {
		t.Error("a pipe holds a value")
	}
	if err := c.Save(4); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(c.Path()); err != nil || !info.Mode().IsRegular() {
		t.Errorf("a value was saved, and its file is %v (%v)", info, err)
	}
	if n, ok := c.Load(); n != 4 || !ok {
		t.Errorf("%d (%t) was kept", n, ok)
	}
}
