package models_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"st/format/filelock"
	"st/format/outfile"
	"st/runtime/models"
)

func TestDirectory(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("LocalAppData", home)
	platform := map[string]string{"windows": home, "darwin": filepath.Join(home, "Library", "Application Support")}[runtime.GOOS]
	if platform == "" {
		platform = filepath.Join(home, ".local", "share")
	}
	for _, tt := range []struct{ own, xdg, want string }{
		{"", "", filepath.Join(platform, "st", "models")},
		{"", "relative", filepath.Join(platform, "st", "models")},
		{"", home, filepath.Join(home, "st", "models")},
		{"mine", home, "mine"},
	} {
		t.Setenv("ST_MODELS", tt.own)
		t.Setenv("XDG_DATA_HOME", tt.xdg)
		if got, err := models.Directory(); err != nil || got != tt.want {
			t.Errorf("ST_MODELS=%s XDG_DATA_HOME=%s: %s, %v; want %s", tt.own, tt.xdg, got, err, tt.want)
		}
	}
}

// newStore returns a store with files of those paths below its directory, each of which holds its path.
func newStore(t *testing.T, files ...string) *models.Store {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "models")
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(f), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	s, err := models.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// listed writes what a store lists, and checks that each entry's file is there.
func listed(t *testing.T, s *models.Store) string {
	t.Helper()
	all, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, e := range all {
		word := e.Name.String()
		if e.Partial {
			word += "…"
		}
		if info, err := os.Stat(e.There); err != nil || info.Size() > e.Size || !e.Partial && info.Size() != e.Size || !info.ModTime().Equal(e.Modified) {
			t.Errorf("%+v: %v", e, err)
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func TestList(t *testing.T) {
	s := newStore(t, "b.stm", "Org/A@q4_0.stm", "Org/A@q4_0.stm.part", "Org/A@q4_0.stm.experts", "Org/c.stm.part", "Org/c.stm.part.journal",
		"not a model.stm", "con.stm", "x.gguf", "Org/deep/d.stm", "x.stm.123-1.tmp", ".hidden/e.stm", "b@latest.stm", "a.stm")
	if got := listed(t, s); got != "a b Org/A:q4_0 Org/c… x…" {
		t.Error(got)
	}
	if got := listed(t, newStore(t)); got != "" {
		t.Error(got)
	}
	file := filepath.Join(s.Dir(), "b.stm")
	if _, err := models.Open(file); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Error(err)
	}
	if n, ok := s.NameOf(filepath.Join(s.Dir(), "Org", "A@q4_0.stm")); !ok || n.String() != "Org/A:q4_0" {
		t.Error(n, ok)
	}
	if n, ok := s.NameOf(file); !ok || n.String() != "b" {
		t.Error(n, ok)
	}
	for _, path := range []string{"b.stm", filepath.Join(s.Dir(), "..", "b.stm"), filepath.Join(s.Dir(), "Org", "deep", "d.stm"), s.Dir()} {
		if n, ok := s.NameOf(path); ok {
			t.Errorf("%s is called %s", path, n)
		}
	}
}

// An argument is a path if it looks like one, or if there is a file; else it is a name.
func TestLocate(t *testing.T) {
	s := newStore(t, "tiny.stm", "Org/Model.stm", "Org/begun.stm.part", "dir.stm", "file.stm")
	t.Chdir(t.TempDir())
	if err := errors.Join(os.WriteFile("file", nil, 0o666), os.MkdirAll("dir", 0o777), os.MkdirAll("Other/checkpoint", 0o777)); err != nil {
		t.Fatal(err)
	}
	in := func(path string) string { return filepath.Join(s.Dir(), filepath.FromSlash(path)) }
	for _, tt := range []struct {
		arg, want string
		err       error
	}{
		{"tiny", in("tiny.stm"), nil},
		{"org/model", in("Org/Model.stm"), nil},
		{"tiny.stm", "tiny.stm", nil},
		{"Org/Model.stm", "Org/Model.stm", nil},
		{"x.gguf", "x.gguf", nil},
		{"./tiny", "./tiny", nil},
		{"/tiny", "/tiny", nil},
		{`C:\tiny`, `C:\tiny`, nil},
		{"", "", nil},
		{"file", "file", nil},
		{"dir", in("dir.stm"), nil},                   // a directory is no model
		{"Other/checkpoint", "Other/checkpoint", nil}, // but what the command is told to open, if there is no such model
		{"nothing", "", models.ErrNotFound},
		{"begun", "", models.ErrPartial},
		{"a b", "", models.ErrName},
		{"Org/a/b", "", models.ErrName},
	} {
		if got, err := s.Locate(tt.arg); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%q: %q, %v; want %q, %v", tt.arg, got, err, tt.want, tt.err)
		}
	}
	if _, err := s.Locate("tony"); err == nil || err.Error() != `there is no model "tony" (near it: tiny), and no file of that name` {
		t.Error(err)
	}
}

func TestPath(t *testing.T) {
	s := newStore(t, "Org/Model.stm")
	for _, tt := range []struct {
		name models.Name
		want string
	}{
		{models.Name{Model: "new"}, "new.stm"},
		{models.Name{Org: "New", Model: "x", Tag: "q4_0"}, "New/x@q4_0.stm"},
		{models.Name{Org: "org", Model: "MODEL"}, "Org/Model.stm"},
	} {
		path, err := s.Path(tt.name)
		if err != nil || path != filepath.Join(s.Dir(), filepath.FromSlash(tt.want)) {
			t.Errorf("%s: %s, %v", tt.name, path, err)
		}
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			t.Error(err)
		}
	}
	for _, n := range []models.Name{{}, {Org: "..", Model: "x"}, {Model: "../x"}, {Model: "x", Tag: "a/b"}, {Org: "x"}} {
		if path, err := s.Path(n); !errors.Is(err, models.ErrName) {
			t.Errorf("%q: %s, %v", n, path, err)
		}
	}
}

// A journal alone, whose download somebody removed, is listed and can be removed.
func TestJournalAlone(t *testing.T) {
	s := newStore(t, "Org/begun.stm.part.journal", "b.stm", "b.stm.part.journal", "c.stm.part.part.journal")
	all, err := s.List()
	if err != nil || len(all) != 2 || all[1].Name.String() != "Org/begun" || !all[1].Partial || all[1].Size != 0 || all[0].Partial {
		t.Fatalf("%+v, %v", all, err)
	}
	if _, err := s.Resolve("begun"); !errors.Is(err, models.ErrPartial) {
		t.Error(err)
	}
	if _, err := s.Remove("Org/begun"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(s.Dir(), "Org")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something is left: %v", err)
	}
}

func TestRemove(t *testing.T) {
	s := newStore(t, "Org/A.stm", "Org/A.stm.experts", "Org/A.stm.part", "Org/A.stm.part.journal", "Org/A.stm.1-1.tmp", "Org/AB.stm", "Org/A.stmx", "Org/begun.stm.part", "b.stm",
		"made.stm.draft.stm", "made.stm.calibration.json", "made.stm.calibration-1-of-2.safetensors", "made.stm.calibration.7-1.tmp", "made.stm.7-1.tmp")
	if got := listed(t, s); !strings.Contains(got, " made… ") {
		t.Error(got)
	}
	lockedPath := filepath.Join(s.Dir(), "Org", "A.stm.part")
	locked, err := os.OpenFile(lockedPath, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := filelock.Lock(locked); err != nil {
		t.Skip(err)
	}
	if _, err := s.Remove("AB"); !errors.Is(err, models.ErrNotFound) || !strings.Contains(err.Error(), "the full name is Org/AB") {
		t.Errorf("a short name, which may mean another model the next time: %v", err)
	}
	if _, err := s.Remove("org/a"); !errors.Is(err, models.ErrInUse) {
		t.Errorf("a model that is being pulled is removed: %v", err)
	}
	locked.Close()
	for _, name := range []string{"org/a", "Org/begun", "made"} {
		if _, err := s.Remove(name); err != nil {
			t.Error(err)
		}
	}
	if got := listed(t, s); got != "b Org/AB" {
		t.Error(got)
	}
	files, err := os.ReadDir(filepath.Join(s.Dir(), "Org"))
	if got := fmt.Sprint(files); err != nil || got != "[- A.stmx - AB.stm]" {
		t.Error(got, err)
	}
	if err := os.Remove(filepath.Join(s.Dir(), "Org", "A.stmx")); err != nil {
		t.Fatal(err)
	}
	if e, err := s.Remove("Org/ab:latest"); err != nil || e.Name.String() != "Org/AB" {
		t.Error(e, err)
	}
	if _, err := os.Stat(filepath.Join(s.Dir(), "Org")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the empty directory is left: %v", err)
	}
	if _, err := s.Remove("Org/AB"); !errors.Is(err, models.ErrNotFound) {
		t.Error(err)
	}
}

func TestCopy(t *testing.T) {
	s := newStore(t, "a.stm", "b.stm")
	a := filepath.Join(s.Dir(), "a.stm")
	outside := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(outside, []byte("outside"), 0o666); err != nil {
		t.Fatal(err)
	}
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	path, err := s.Copy(t.Context(), a, models.Name{Org: "Org", Model: "c"}, models.CopyOptions{})
	if err != nil || read(path) != "a.stm" {
		t.Error(path, err)
	}
	if _, err := s.Copy(t.Context(), a, models.Name{Model: "B"}, models.CopyOptions{}); !errors.Is(err, outfile.ErrExists) || read(filepath.Join(s.Dir(), "b.stm")) != "b.stm" {
		t.Error(err)
	}
	for range 2 { // the second time it is that file already
		if path, err := s.Copy(t.Context(), a, models.Name{Model: "b"}, models.CopyOptions{Replace: true}); err != nil || read(path) != "a.stm" {
			t.Error(path, err)
		}
	}
	var told int64
	path, err = s.Copy(t.Context(), outside, models.Name{Model: "d"}, models.CopyOptions{Progress: func(done, total int64) { told = done }})
	if err != nil || read(path) != "outside" || told != 7 {
		t.Error(path, err, told)
	}
	if x, y := stat(t, outside), stat(t, path); os.SameFile(x, y) {
		t.Error("a file that is not the store's has a second name there")
	}
	if _, err := s.Copy(t.Context(), filepath.Join(s.Dir(), "none.stm"), models.Name{Model: "e"}, models.CopyOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if got := listed(t, s); got != "a b d Org/c" {
		t.Error(got)
	}
	// What was removed under one name is there under the other.
	if _, err := s.Remove("a"); err != nil || read(filepath.Join(s.Dir(), "Org", "c.stm")) != "a.stm" {
		t.Error(err)
	}
}

func stat(t *testing.T, path string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestComplete(t *testing.T) {
	s := newStore(t, "tiny.stm", "Tiiny/Small@q4_0.stm", "Tiiny/Large.stm", "Tiiny/begun.stm.part")
	for typed, want := range map[string]string{
		"":         "[Tiiny/Large Tiiny/Small:q4_0 tiny]",
		"ti":       "[Tiiny/Large Tiiny/Small:q4_0 tiny]",
		"Tiiny/S":  "[Tiiny/Small:q4_0]",
		"Sm":       "[Small:q4_0]",
		"x":        "[]",
		"Small:q4": "[Small:q4_0]",
	} {
		if got := fmt.Sprint(s.Complete(typed)); got != want {
			t.Errorf("%q: %s, want %s", typed, got, want)
		}
	}
}

// The directory of an organisation goes unless a model is there; those of the store and of files elsewhere stay.
func TestTidy(t *testing.T) {
	s := newStore(t, "a/kept.stm")
	other := filepath.Join(t.TempDir(), "other", "x.stm")
	if err := os.Mkdir(filepath.Dir(other), 0o777); err != nil {
		t.Fatal(err)
	}
	linked := os.Symlink(filepath.Dir(other), filepath.Join(s.Dir(), "linked")) == nil // not everybody may on Windows
	for _, tt := range []struct {
		name  string // "": other
		stays bool
	}{{"a/b", true}, {"b/c", false}, {"alone", true}, {"linked/d", linked}, {"", true}} {
		path := other
		if tt.name != "" {
			name, err := models.ParseName(tt.name)
			if err != nil {
				t.Fatal(err)
			}
			if path, err = s.Path(name); err != nil {
				t.Fatal(err)
			}
		}
		s.Tidy(path)
		if _, err := os.Stat(filepath.Dir(path)); (err == nil) != tt.stays {
			t.Errorf("%s: %v", path, err)
		}
	}
}
