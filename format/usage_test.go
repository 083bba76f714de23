package format

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// openTest writes a file with two experts and opens it.
func openTest(t *testing.T) *Reader {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.stm")
	writeTest(t, path)
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// What lies beside a model is believed only if it can be true.
func TestUsageFile(t *testing.T) {
	r := openTest(t)
	path := UsagePath(r.Path())
	if u, err := r.Usage(); u != nil || err != nil {
		t.Fatalf("a new file has %+v, %v", u, err)
	}
	for _, tt := range []struct{ text, want string }{
		{`{"directory":"%s","tokens":3,"uses":[1,2]}`, ""},
		{`{"directory":"%s","tokens":3,"uses":[1,4]}`, "4 uses in 3 tokens; remove it"},
		{`{"directory":"%s","tokens":3,"uses":[-1,2]}`, "-1 uses"},
		{`{"directory":"%s","tokens":-3,"uses":[0,0]}`, "-3 tokens"},
		{`{"directory":"%s","tokens":3,"uses":[1]}`, "no record of experts; remove it"},
		{`%s` + strings.Repeat(" ", maxUsageFile), "more than 4194304 bytes; remove it"},
		{`%s`, "no record of experts; remove it"},
	} {
		if err := os.WriteFile(path, fmt.Appendf(nil, tt.text, r.directoryID()), 0o666); err != nil {
			t.Fatal(err)
		}
		u, err := r.Usage()
		switch {
		case tt.want == "" && (err != nil || !cmp.Equal(u, &Usage{Tokens: 3, Uses: []int64{1, 2}})):
			t.Errorf("%.60s: %+v, %v", tt.text, u, err)
		case tt.want != "" && (!errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path)):
			t.Errorf("%.60s: error is %v, want %q", tt.text, err, tt.want)
		}
	}
	os.Remove(path)
	if err := os.Symlink(os.DevNull, path); err != nil {
		t.Skip("no links here:", err)
	}
	if _, err := r.Usage(); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "no regular file; remove it") {
		t.Errorf("a device: error is %v", err)
	}
}

// What is in the file and what lies beside it is added, and never becomes negative.
func TestUsageAdds(t *testing.T) {
	r := openTest(t)
	text := fmt.Sprintf(`{"directory":"%s","tokens":%d,"uses":[5,%d]}`, r.directoryID(), math.MaxInt64, math.MaxInt64)
	if err := os.WriteFile(UsagePath(r.Path()), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	if name, err := r.RecordUsage(&Usage{Tokens: 400, Uses: []int64{1, 300}}); err != nil || name != r.Path() {
		t.Fatalf("recorded in %q: %v", name, err)
	}
	got, err := r.Usage()
	if diff := cmp.Diff(&Usage{Tokens: math.MaxInt64, Uses: []int64{6, math.MaxInt64}}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// On a file system that has no way to bring a file to the disk, uses are recorded all the same; a disk that fails is told.
func TestUsageUnsynced(t *testing.T) {
	defer func() { fsync = (*os.File).Sync }()
	for _, tt := range []struct{ says, want error }{
		{nil, nil}, {syscall.EINVAL, nil}, {errors.ErrUnsupported, nil}, {syscall.EIO, syscall.EIO}, {syscall.ENOSPC, syscall.ENOSPC},
	} {
		r := openTest(t)
		fsync = func(f *os.File) error {
			if tt.says == nil {
				return nil
			}
			return &os.PathError{Op: "sync", Path: f.Name(), Err: tt.says}
		}
		if _, err := r.RecordUsage(&Usage{Tokens: 3, Uses: []int64{1, 2}}); !errors.Is(err, tt.want) {
			t.Errorf("fsync says %v: %v", tt.says, err)
		}
		if u, err := r.Usage(); tt.want == nil && (err != nil || u == nil || u.Tokens != 3) {
			t.Errorf("fsync says %v: recorded are %+v, %v", tt.says, u, err)
		}
	}
}

// What could not be recorded is told before a run.
func TestCheckRecordUsage(t *testing.T) {
	r := openTest(t)
	dir := filepath.Dir(r.Path())
	if err := r.CheckRecordUsage(); err != nil {
		t.Errorf("a new file: %v", err)
	}
	if err := os.Chmod(r.Path(), 0o444); err != nil {
		t.Fatal(err)
	}
	if f, err := os.OpenFile(r.Path(), os.O_RDWR, 0); err == nil {
		f.Close()
		t.Skip("who runs this can write to any file")
	}
	if err := r.CheckRecordUsage(); err != nil {
		t.Errorf("a file that cannot be written to, in a directory that can: %v", err)
	}
	if err := os.WriteFile(UsagePath(r.Path()), []byte("no"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := r.CheckRecordUsage(); !errors.Is(err, ErrCorrupt) {
		t.Errorf("what cannot be added to: error is %v, want ErrCorrupt", err)
	}
	os.Remove(UsagePath(r.Path()))
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o755)
	if err := r.CheckRecordUsage(); !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), UsagePath(r.Path())) {
		t.Errorf("nor in one that cannot: error is %v, want ErrPermission", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

// TestMain lets the test's binary be a process that records the use of experts in a model several times.
func TestMain(m *testing.M) {
	path := os.Getenv("FORMAT_TEST_RECORD")
	if path == "" {
		os.Exit(m.Run())
	}
	r, err := Open(path)
	for i := 0; i < recordings && err == nil; i++ {
		_, err = r.RecordUsage(&Usage{Tokens: 3, Uses: []int64{1, 2}})
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

const recordings = 10

// What several processes and goroutines count adds up exactly, in the model and beside it.
func TestUsageConcurrent(t *testing.T) {
	for _, beside := range []bool{false, true} {
		r := openTest(t)
		want := r.Path()
		if beside {
			want = UsagePath(r.Path())
			hideUsage(t, r.Path())
			var err error
			if r, err = Open(r.Path()); err != nil {
				t.Fatal(err)
			}
			defer r.Close()
		}
		const processes, goroutines = 4, 4
		var wg sync.WaitGroup
		for range processes {
			wg.Go(func() {
				c := exec.Command(os.Args[0])
				c.Env = append(os.Environ(), "FORMAT_TEST_RECORD="+r.Path())
				if out, err := c.CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, out)
				}
			})
		}
		for range goroutines {
			wg.Go(func() {
				for range recordings {
					if name, err := r.RecordUsage(&Usage{Tokens: 3, Uses: []int64{1, 2}}); err != nil || name != want {
						t.Errorf("recorded in %q: %v", name, err)
					}
				}
			})
		}
		wg.Wait()
		const n = (processes + goroutines) * recordings
		got, err := r.Usage()
		if diff := cmp.Diff(&Usage{Tokens: 3 * n, Uses: []int64{n, 2 * n}}, got); diff != "" || err != nil {
			t.Errorf("beside: %t: %v (-want +got):\n%s", beside, err, diff)
		}
		if entries, _ := os.ReadDir(filepath.Dir(r.Path())); len(entries) > 2 {
			t.Errorf("left behind: %v", entries)
		}
	}
}

// hideUsage gives a model's usage section another name, so that the model has no room for it.
func hideUsage(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b[:headerSize], []byte(sectionUsage))
	copy(b[at:], "something_els")
	if err := os.WriteFile(path, mend(b), 0o666); err != nil {
		t.Fatal(err)
	}
}

// A model that was overwritten in place is not written to, and whoever asks is told.
func TestOverwritten(t *testing.T) {
	use := &Usage{Tokens: 1, Uses: []int64{1, 0}}
	for _, tt := range []struct {
		name    string
		edit    func(t *testing.T, path string, b []byte)
		changed bool // for those who have opened it
		record  bool
	}{
		{"nothing", func(*testing.T, string, []byte) {}, false, true},
		{"touched", func(t *testing.T, path string, b []byte) {
			if err := os.Chtimes(path, time.Time{}, time.Unix(1e9, 0)); err != nil {
				t.Fatal(err)
			}
		}, false, true},
		{"another model", func(t *testing.T, path string, b []byte) {
			b = bytes.Clone(b)
			b[len(b)-1]++ // somewhere
			at := bytes.Index(b, []byte(`"rope_theta":`))
			b[at+len(`"rope_theta":`)] = '3'
			overwrite(t, path, mend(b))
		}, true, false},
		{"only its header yet", func(t *testing.T, path string, b []byte) {
			b = bytes.Clone(b[:headerSize])
			b[checksumAt]++
			overwrite(t, path, b)
		}, true, false},
		{"cut", func(t *testing.T, path string, b []byte) {
			if err := os.Truncate(path, int64(len(b)-1)); err != nil {
				t.Fatal(err)
			}
		}, true, false},
		{"replaced", func(t *testing.T, path string, b []byte) {
			if err := os.Remove(path); err != nil {
				t.Skip("an open file cannot be removed here:", err)
			}
			if err := os.WriteFile(path, b, 0o666); err != nil {
				t.Fatal(err)
			}
		}, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := openTest(t)
			if _, err := r.RecordUsage(use); err != nil { // which is no change
				t.Fatal(err)
			}
			b, err := os.ReadFile(r.Path())
			if err != nil {
				t.Fatal(err)
			}
			tt.edit(t, r.Path(), b)
			after, _ := os.ReadFile(r.Path())
			for range 2 {
				if err := r.Changed(); errors.Is(err, ErrChanged) != tt.changed || err != nil && !tt.changed {
					t.Errorf("Changed: %v", err)
				}
			}
			_, err = r.RecordUsage(use)
			if (err == nil) != tt.record || err != nil && (!errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), r.Path())) {
				t.Errorf("RecordUsage: %v", err)
			}
			if now, _ := os.ReadFile(r.Path()); !tt.record && !bytes.Equal(now, after) {
				t.Error("it was written to")
			}
		})
	}
}

// A file that another model is written over while it is verified is not called damaged: its records are told to have changed, once.
func TestVerifyChanged(t *testing.T) {
	r := openTest(t)
	b, err := os.ReadFile(r.Path())
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range r.Records() {
		b[rec.Offset]++
	}
	overwrite(t, r.Path(), b)
	for _, err := range r.Verify(t.Context(), 1, nil) {
		if !errors.Is(err, ErrCorrupt) || errors.Is(err, ErrChanged) { // the header is that of before
			t.Errorf("damaged: %v", err)
		}
	}
	b[checksumAt]++
	overwrite(t, r.Path(), b)
	if errs := r.Verify(t.Context(), 2, nil); len(errs) != 1 || !errors.Is(errs[0], ErrChanged) || !strings.Contains(errs[0].Error(), r.Path()) {
		t.Errorf("overwritten: %v", errs)
	}
	if err := r.VerifyRecord(t.Context(), nil, &r.Records()[0]); !errors.Is(err, ErrChanged) {
		t.Errorf("one record of it: %v", err)
	}
}

// overwrite writes to the beginning of a file that stays the same one.
func overwrite(t *testing.T, path string, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
}

// The usage section by itself: whatever it holds is read as counts that can be, or not at all.
func FuzzUsage(f *testing.F) {
	f.Add((&Usage{Tokens: 5, Uses: []int64{5, 2}}).encode(3))
	f.Add(make([]byte, usageBytes(2)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < int(usageBytes(2)) {
			b = append(b, make([]byte, usageBytes(2)-int64(len(b)))...)
		}
		b = b[:usageBytes(2)]
		le.PutUint64(b[8:], usageChecksum(b)) // what lies behind the checksum is to be reached
		u, number := decodeUsage(b, 2)
		if number == 0 {
			return
		}
		if err := u.validate(); err != nil || !bytes.Equal(u.encode(number)[:usageHeader+16], b[:usageHeader+16]) && bytes.Equal(b[usageHeader+16:], make([]byte, len(b)-usageHeader-16)) {
			t.Errorf("%+v: %v", u, err)
		}
	})
}

// The file beside a model.
func FuzzUsageFile(f *testing.F) {
	path := filepath.Join(f.TempDir(), "m.stm")
	writeTest(f, path)
	r, err := Open(path)
	if err != nil {
		f.Fatal(err)
	}
	defer r.Close()
	f.Add([]byte(fmt.Sprintf(`{"directory":"%s","tokens":3,"uses":[1,2]}`, r.directoryID())))
	f.Add([]byte(`{"directory":"0","tokens":3,"uses":[1,2]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		u, err := r.parseUsageFile(path, text)
		if err == nil && u != nil && (u.validate() != nil || len(u.Uses) != 2) {
			t.Errorf("%+v", u)
		}
	})
}
