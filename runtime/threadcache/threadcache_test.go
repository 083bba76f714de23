package threadcache

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	c := Cache{dir, "a machine, a model"}
	numbers := []int{2, 4, 8}
	load := func(c Cache, numbers []int, want int) {
		t.Helper()
		if got, ok := c.Load(numbers); got != want || ok != (want > 0) {
			t.Errorf("%d (%t) was kept, want %d", got, ok, want)
		}
	}
	load(c, numbers, 0)
	for _, n := range []int{4, 8} { // the last one counts
		if err := c.Save(n); err != nil {
			t.Fatal(err)
		}
		load(c, numbers, n)
	}
	load(Cache{dir, "a machine with a quota, a model"}, numbers, 0)
	load(c, []int{1, 2}, 0) // the machine has fewer processors now
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("the directory has %v (%v), want one file", files, err)
	}

	good, err := os.ReadFile(c.path())
	if err != nil {
		t.Fatal(err)
	}
	for _, damaged := range []string{"", "{", string(good[:len(good)/2]), `{"version":1,"key":"a machine, a model","threads":-8}`,
		`{"version":1,"key":"a machine, a model","threads":1e99}`, `{"version":2,"key":"a machine, a model","threads":8}`,
		`{"version":1,"key":"another","threads":8}`, "\x00\xff"} {
		if err := os.WriteFile(c.path(), []byte(damaged), 0o644); err != nil {
			t.Fatal(err)
		}
		load(c, numbers, 0)
	}
	if err := c.Save(2); err != nil {
		t.Fatal(err)
	}
	load(c, numbers, 2)
}

func TestCacheThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	c := Cache{filepath.Join(file, "threads"), "key"}
	if err := c.Save(4); err == nil {
		t.Error("a number was saved below a file")
	}
	if _, ok := c.Load([]int{4}); ok {
		t.Error("a number was found below a file")
	}
	if err := (Cache{}).Save(4); err != nil {
		t.Errorf("a cache that keeps nothing: %v", err)
	}
}
