package remembered

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"st/format/filelock"
)

// All that is added at the same time is kept.
func TestUpdate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			c := Cache[int]{Dir: dir, Key: "runs"}
			if err := c.Update(4, func(n int, ok bool) int {
				if ok != (n > 0) {
					t.Errorf("%d was kept: %t", n, ok)
				}
				return n + 1
			}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n, ok := (Cache[int]{Dir: dir, Key: "runs"}).Load(); n != 20 || !ok {
		t.Errorf("%d of 20 were added (%t)", n, ok)
	}
}

// The values that were kept least recently go, and what killed processes have left. Other files stay.
func TestUpdateForgets(t *testing.T) {
	dir := t.TempDir()
	old := func(path string, hours int) {
		t.Helper()
		when := time.Now().Add(-time.Duration(hours) * time.Hour)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}
	one := func(int, bool) int { return 1 }
	caches := make([]Cache[int], 5)
	for i := range caches {
		caches[i] = Cache[int]{Dir: dir, Key: fmt.Sprint("model ", i), Kind: "uses"}
		if err := caches[i].Update(4, one); err != nil {
			t.Fatal(err)
		}
		old(caches[i].Path(), 100-i)
	}
	others := []Cache[int]{{Dir: dir, Key: "a disk"}, {Dir: dir, Key: "a disk", Kind: "speeds"}}
	for _, c := range others {
		if err := c.Save(3); err != nil {
			t.Fatal(err)
		}
		old(c.Path(), 3000)
	}
	for name, hours := range map[string]int{newPrefix + "1": 2, newPrefix + "2": 0, "README": 2000, "package.json": 2000, "my.uses.json": 2000} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		old(path, hours)
	}
	old(caches[1].Path(), 5000) // and yet it is the one that is kept now
	if err := caches[1].Update(3, one); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{false, true, false, true, true} {
		if _, ok := caches[i].Load(); ok != want {
			t.Errorf("model %d is remembered: %t", i, ok)
		}
	}
	for _, c := range others {
		if _, ok := c.Load(); !ok {
			t.Errorf("%s, of another kind, is forgotten", c.Path())
		}
	}
	for name, want := range map[string]bool{newPrefix + "1": false, newPrefix + "2": true, "README": true, "package.json": true, "my.uses.json": true, updateLock: true} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s is there: %t", name, err == nil)
		}
	}
}

// Of values that are measured once the newest are kept, so many as the directory may have.
func TestKeep(t *testing.T) {
	dir := t.TempDir()
	for i := range 5 {
		c := Cache[int]{Dir: dir, Key: fmt.Sprint("disk ", i)}
		if err := c.Keep(3, i); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(time.Duration(i-10) * time.Hour)
		if err := os.Chtimes(c.Path(), when, when); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []bool{false, false, true, true, true} {
		if n, ok := (Cache[int]{Dir: dir, Key: fmt.Sprint("disk ", i)}).Load(); ok != want || ok && n != i {
			t.Errorf("disk %d: %d (%t)", i, n, ok)
		}
	}
}

// Whoever has the lock is waited for.
func TestUpdateWaits(t *testing.T) {
	c := Cache[int]{Dir: t.TempDir(), Key: "key"}
	f, err := os.Create(filepath.Join(c.Dir, updateLock))
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := filelock.TryLock(f); !ok || err != nil {
		t.Skip("files cannot be locked: ", err)
	}
	waits := make(chan error, 1)
	go func() { waits <- c.Update(1, func(n int, _ bool) int { return n + 1 }) }()
	if err := c.Save(7); err != nil {
		t.Fatal(err)
	}
	busy := c
	busy.Patience = 1
	if err := busy.Update(1, func(int, bool) int { t.Error("a value is asked for"); return 0 }); !errors.Is(err, ErrBusy) {
		t.Errorf("without patience: %v", err)
	}
	if !c.Alone(func() {}) {
		t.Error("whoever updates keeps others from measuring")
	}
	f.Close()
	if err := <-waits; err != nil {
		t.Fatal(err)
	}
	if n, _ := c.Load(); n != 8 {
		t.Errorf("%d is kept: what was written under the lock was not seen", n)
	}
}

func TestUpdateThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	never := func(int, bool) int { t.Error("a value is asked for"); return 0 }
	if err := (Cache[int]{Dir: filepath.Join(file, "experts"), Key: "key"}).Update(4, never); err == nil {
		t.Error("a number was kept below a file")
	}
	if err := (Cache[int]{}).Update(4, never); err != nil {
		t.Errorf("a cache that keeps nothing: %v", err)
	}
}
