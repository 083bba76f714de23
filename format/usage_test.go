package format

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
