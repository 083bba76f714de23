package editor

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "st", "history")
	h := OpenHistory(path)
	entries := []string{"one", "two\nlines\t\x1b", "<b> & \"quotes\" é"}
	for _, e := range append(entries, entries[2], " \n") {
		h.Add(e)
	}
	h.Add(strings.Repeat("x", historyLength+1)) // in memory only
	if len(h.entries) != 4 {
		t.Errorf("%d entries", len(h.entries))
	}
	if got := OpenHistory(path).entries; !slices.Equal(got, entries) {
		t.Errorf("%q", got)
	}
	if runtime.GOOS != "windows" {
		for p, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
			if info, err := os.Stat(p); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: %v, %v", p, info.Mode(), err)
			}
		}
	}
	// Two programs at once.
	a, b := OpenHistory(path), OpenHistory(path)
	a.Add("from a")
	b.Add("from b")
	if got := OpenHistory(path).entries; !slices.Equal(got, append(entries, "from a", "from b")) {
		t.Errorf("%q", got)
	}
}

// Lines that are no entries are skipped: a line that was cut, or a file of somebody else.
func TestHistoryDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	if err := os.WriteFile(path, []byte("\"one\"\n{}\n\"cut\n\x00\xff\n\"two\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := OpenHistory(path).entries; !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("%q", got)
	}
}

func TestHistoryBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	var b strings.Builder
	for i := range 2*historyEntries + 10 {
		fmt.Fprintf(&b, "%q\n", fmt.Sprint("entry ", i))
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	h := OpenHistory(path)
	if len(h.entries) != historyEntries || h.entries[historyEntries-1] != fmt.Sprint("entry ", 2*historyEntries+9) {
		t.Errorf("%d entries, the last is %q", len(h.entries), h.entries[len(h.entries)-1])
	}
	data, err := os.ReadFile(path)
	if err != nil || strings.Count(string(data), "\n") != historyEntries {
		t.Errorf("the file has %d lines, %v", strings.Count(string(data), "\n"), err)
	}
	// A file that is far too large is not read as a whole.
	if err := os.WriteFile(path, []byte(strings.Repeat("\""+strings.Repeat("x", 60<<10)+"\"\n", 3*historyBytes/(60<<10))), 0o600); err != nil {
		t.Fatal(err)
	}
	if OpenHistory(path); fileSize(t, path) > historyBytes {
		t.Errorf("the file has %d bytes", fileSize(t, path))
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// A history that cannot be kept is there until the program ends.
func TestHistoryNowhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", filepath.Join(file, "history"), t.TempDir(), os.DevNull} {
		h := OpenHistory(path)
		h.Add("one")
		if !slices.Equal(h.entries, []string{"one"}) {
			t.Errorf("%s: %q", path, h.entries)
		}
	}
}

func TestHistoryPath(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	if got, want := HistoryPath("st"), filepath.Join(os.Getenv("XDG_STATE_HOME"), "st", "history"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	t.Setenv("XDG_STATE_HOME", "relative")
	if got := HistoryPath("st"); got != "" && !filepath.IsAbs(got) {
		t.Error(got)
	}
	if runtime.GOOS == "linux" {
		t.Setenv("HOME", "/home/me")
		if got := HistoryPath("st"); got != "/home/me/.local/state/st/history" {
			t.Error(got)
		}
		t.Setenv("HOME", "")
		if got := HistoryPath("st"); got != "" {
			t.Error(got)
		}
	}
}

func TestBrowse(t *testing.T) {
	h := &History{entries: []string{"one", "two"}}
	b := h.browse()
	shown := "draft"
	for _, tt := range []struct {
		by   int
		want string
		ok   bool
	}{{1, "", false}, {-1, "two", true}, {-1, "one", true}, {-1, "", false}, {1, "two", true}, {1, "draft", true}} {
		got, ok := b.move(tt.by, shown)
		if got != tt.want || ok != tt.ok {
			t.Errorf("%+d: %q, %v; want %q", tt.by, got, ok, tt.want)
		}
		if ok {
			shown = got
		}
	}
}
