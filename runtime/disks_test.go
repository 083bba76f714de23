package runtime

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"st/convert"
	"st/format"
	"st/quant"
	"st/runtime/disk"
	"st/runtime/remembered"
)

// A disk is measured once, whatever becomes of the file that remembers it, and by one process at a time.
func TestDiskIsRemembered(t *testing.T) {
	r, err := format.Open(tinyFile(t))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if f, direct, err := r.Direct(); err != nil || !direct {
		t.Skipf("the file cannot be read past the page cache: %v", err)
	} else {
		f.Close()
	}
	dir := t.TempDir()
	rememberOthers(t, dir)
	if _, ok := RememberedDisk(r, dir); ok {
		t.Error("a disk that was not measured is remembered")
	}
	first := diskSpeeds(t.Context(), r, dir)
	if first == nil || first.Source != disk.Measured {
		t.Fatalf("it was not measured: %+v", first)
	}
	again := diskSpeeds(t.Context(), r, dir)
	if again == nil || again.Source != disk.Remembered || !reflect.DeepEqual(again.Speeds, first.Speeds) {
		t.Errorf("%+v is remembered of %+v", again, first)
	}
	if reads, ok := RememberedDisk(r, dir); !ok || reads.Depth < 1 || reads.Source != disk.Remembered {
		t.Errorf("what is remembered: %+v, %t", reads, ok)
	}

	c, ok := diskCache(r, dir)
	if !ok {
		t.Fatal("the disk has no name")
	}
	if files, err := filepath.Glob(filepath.Join(dir, "*.json")); err != nil || len(files) != maxMeasured {
		t.Errorf("the directory has %d files, want %d (%v)", len(files), maxMeasured, err)
	}
	good, err := os.ReadFile(c.Path())
	if err != nil {
		t.Fatal(err)
	}
	for _, damaged := range [][]byte{good[:len(good)/2], nil, []byte(`{"version":2,"key":"x","value":{}}`)} {
		if err := os.WriteFile(c.Path(), damaged, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, ok := RememberedDisk(r, dir); ok {
			t.Errorf("%q is remembered", damaged)
		}
	}
	c.Alone(func() { // as another process does
		if s := diskSpeeds(t.Context(), r, dir); s != nil {
			t.Errorf("two measure at the same time: %+v", s)
		}
	})
	if s := diskSpeeds(t.Context(), r, dir); s == nil || s.Source != disk.Measured {
		t.Errorf("after the file was damaged: %+v", s)
	}
}

// rememberOthers fills a directory with what was measured before, more than it may hold.
func rememberOthers(t *testing.T, dir string) {
	t.Helper()
	for i := range maxMeasured + 5 {
		if err := (remembered.Cache[int]{Dir: dir, Key: fmt.Sprint("before ", i)}).Save(1); err != nil {
			t.Fatal(err)
		}
	}
}

// A file that fits, or is too short to tell anything of its disk, has its disk left alone.
func TestDiskIsNotMeasured(t *testing.T) {
	r, err := format.Open(tinyFile(t))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, memory := range []int64{0, 1 << 20, 1 << 40} {
		dir := t.TempDir()
		if s := learnDisk(t.Context(), r, &Options{DiskCache: dir}, memory)(); s != nil {
			t.Errorf("within %d bytes: %+v", memory, s)
		}
		if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
			t.Errorf("within %d bytes: %v, %v", memory, files, err)
		}
	}
}

// tinyFile returns the path of the trained model of testdata in float32.
func tinyFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tiny.stm")
	if _, err := convert.Run(t.Context(), "../testdata/tiny-smallthinker", path, convert.Options{Recipe: convert.Recipe{Type: quant.F32}}); err != nil {
		t.Fatal(err)
	}
	return path
}
