package remembered

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A value that was saved is found again under its key, and nothing else is.
func TestCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	c := Cache[int]{Dir: dir, Key: "a machine, a model"}
	load := func(c Cache[int], want int) {
		t.Helper()
		if got, ok := c.Load(); got != want || ok != (want > 0) {
			t.Errorf("%d (%t) was kept, want %d", got, ok, want)
		}
	}
	load(c, 0)
	for _, n := range []int{4, 8} { // the last one counts
		if err := c.Save(n); err != nil {
			t.Fatal(err)
		}
		load(c, n)
	}
	load(Cache[int]{Dir: dir, Key: "a machine with a quota, a model"}, 0)
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("the directory has %v (%v), want one file", files, err)
	}

	good, err := os.ReadFile(c.Path())
	if err != nil {
		t.Fatal(err)
	}
	for _, damaged := range []string{"", "{", string(good[:len(good)/2]), `{"version":2,"key":"a machine, a model","value":"8"}`,
		`{"version":2,"key":"a machine, a model","value":1e99}`, `{"version":1,"key":"a machine, a model","threads":8}`,
		`{"version":2,"key":"another","value":8}`, "\x00\xff"} {
		if err := os.WriteFile(c.Path(), []byte(damaged), 0o644); err != nil {
			t.Fatal(err)
		}
		load(c, 0)
	}
	if err := c.Save(2); err != nil {
		t.Fatal(err)
	}
	load(c, 2)
}

func TestCacheThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	c := Cache[int]{Dir: filepath.Join(file, "threads"), Key: "key"}
	if err := c.Save(4); err == nil {
		t.Error("a number was saved below a file")
	}
	if _, ok := c.Load(); ok {
		t.Error("a number was found below a file")
	}
	if err := (Cache[int]{}).Save(4); err != nil {
		t.Errorf("a cache that keeps nothing: %v", err)
	}
	if ran := false; !c.Alone(func() { ran = true }) || !ran {
		t.Error("nothing is measured where nothing can be locked")
	}
}

// While something is measured, nothing else is for the same directory.
func TestAlone(t *testing.T) {
	a, b := Cache[int]{Dir: t.TempDir(), Key: "a disk"}, Cache[int]{Dir: "", Key: "a disk"}
	b.Dir = a.Dir
	ran := a.Alone(func() {
		if b.Alone(func() { t.Error("two measure at the same time") }) {
			t.Error("it says that it measured")
		}
	})
	if again := b.Alone(func() {}); !ran || !again {
		t.Errorf("ran: %t, and after that: %t", ran, again)
	}
}

// What is too large to be loaded again is not kept in place of what is there.
func TestTooLarge(t *testing.T) {
	c := Cache[string]{Dir: t.TempDir(), Key: "key"}
	whole, err := json.Marshal(entry[string]{version, c.Key, ""})
	if err != nil {
		t.Fatal(err)
	}
	most := strings.Repeat("x", largest-len(whole)-1)
	if err := c.Save(most); err != nil {
		t.Fatal(err)
	}
	if err := c.Save(most + "x"); err == nil || !strings.Contains(err.Error(), c.Path()) {
		t.Errorf("a value that is too large: %v", err)
	}
	if got, ok := c.Load(); !ok || got != most {
		t.Errorf("%d bytes are kept (%t)", len(got), ok)
	}
}

// Where a file that is open cannot be replaced, whoever reads it is waited for, but not for ever.
func TestReplace(t *testing.T) {
	for _, tt := range []struct {
		inUse        bool
		fails, tries int
		ok           bool
	}{{false, 0, 1, true}, {false, 1, 1, false}, {true, 0, 1, true}, {true, 2, 3, true}, {true, 100, replaceTries, false}} {
		tries := 0
		err := replace("new", "old", func(from, to string) error {
			if tries++; tries <= tt.fails {
				return errors.New(from + " cannot replace " + to)
			}
			return nil
		}, tt.inUse)
		if (err == nil) != tt.ok || tries != tt.tries {
			t.Errorf("%+v: %v, %d tries", tt, err, tries)
		}
	}
}
