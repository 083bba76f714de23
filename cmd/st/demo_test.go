package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDemo(t *testing.T) {
	temp, keep := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("TMP", temp) // Windows
	t.Chdir(t.TempDir())
	out := must(t, "demo", "--keep", keep)
	for _, want := range []string{"$ st convert ", "$ st inspect ", "$ st generate ", "-p 'To be, or not to be'", "smallthinker", "ok: "} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if names := list(t, temp); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
	if _, err := os.Stat(filepath.Join(keep, "tiny-smallthinker.stm")); err != nil {
		t.Error(err)
	}
	if o := st("demo", "--keep", keep); o.code != exitFailure || !strings.Contains(o.stderr, "use --force") {
		t.Errorf("%+v", o)
	}
	must(t, "demo", "--keep", keep, "--force", "--quiet")
}

func TestShellWords(t *testing.T) {
	got := shellWords([]string{"generate", "a.stm", "-p", "it's so"})
	if want := `generate a.stm -p 'it'\''s so'`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
