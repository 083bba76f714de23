package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Sessions are listed with the model that they belong to, if that is kept; a damaged one does not keep the others from being listed.
func TestListSessions(t *testing.T) {
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	t.Setenv("ST_MODELS", t.TempDir())
	dir := filepath.Join(state, "st", "sessions")
	if o := st("list", "--sessions"); o != (outcome{stderr: "no sessions in " + dir + ": st run MODEL --session NAME keeps one\n"}) {
		t.Errorf("without sessions: %+v", o)
	}
	must(t, "cp", tiny(t), "small")
	must(t, "run", tiny(t), "Hello", "-n", "2", "--session", "work", "--quiet")
	must(t, "run", tiny(t), "Hello", "-n", "2", "--session", "private", "--quiet", "--experts-per-token", "2") // it computes what small does not
	bad := filepath.Join(dir, "bad.session")
	if err := os.WriteFile(bad, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	all := mustJSON[sessionsReport](t, "list", "--sessions", "--json")
	if all.Directory != dir || len(all.Sessions) != 3 {
		t.Fatalf("%+v", all)
	}
	for i, want := range []listedSession{
		{Name: "bad", Error: bad + " is not a sequence, or damaged: it does not begin as one"},
		{Name: "private", KVType: "f16"},
		{Name: "work", KVType: "f16", Model: "small"},
	} {
		got := all.Sessions[i]
		if info, err := os.Stat(got.Path); err != nil || got.Bytes != info.Size() || !got.Modified.Equal(info.ModTime()) || (got.Tokens > 20) != (got.Error == "") {
			t.Errorf("%s: %+v, %v", want.Name, got, err)
		}
		if got.Name != want.Name || got.KVType != want.KVType || got.Model != want.Model || got.Error != want.Error {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	o := st("list", "--sessions")
	lines := strings.Split(o.stdout, "\n")
	if o.code != exitOK || len(lines) != 5 || strings.Join(strings.Fields(lines[0]), " ") != "NAME MODEL TOKENS SIZE MODIFIED" || !strings.Contains(lines[1], "damaged") ||
		!strings.HasPrefix(lines[3], "work     small") || !strings.HasPrefix(o.stderr, "note: "+bad) {
		t.Errorf("%+v", o)
	}
	if some := mustJSON[sessionsReport](t, "list", "--sessions", "w", "--json"); len(some.Sessions) != 1 || some.Sessions[0].Name != "work" {
		t.Errorf("of those that begin with w: %+v", some)
	}
}

// Sessions that are in use stay, and so does what is none; the others go.
func TestRemoveSessions(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	for _, name := range []string{"a", "b", "used"} {
		must(t, "run", tiny(t), "Hello", "-n", "2", "--session", name, "--quiet")
	}
	path, err := sessionPath("used")
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := lockSession(path)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	want := outcome{
		code:   exitFailure,
		stdout: "deleted the session a\ndeleted the session b\n",
		stderr: "st: the session used is in use by another process: end that one, or name another session; no session has the name \"../a\": st list --sessions shows those that are kept\n",
	}
	if o := st("rm", "--session", "a", "used", "../a", "b"); o != want {
		t.Errorf("%+v, want %+v", o, want)
	}
	if left := mustJSON[sessionsReport](t, "list", "--sessions", "--json"); len(left.Sessions) != 1 || left.Sessions[0].Name != "used" {
		t.Errorf("left are %+v", left)
	}
}

// A shell completes names of sessions.
func TestCompleteSessions(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	for _, name := range []string{"work", "world", "private"} {
		must(t, "run", tiny(t), "Hello", "-n", "1", "--session", name, "--quiet")
	}
	for _, args := range [][]string{{"run", "x.stm", "--session", "wor"}, {"rm", "--session", "wor"}} {
		if got := must(t, append([]string{"__complete"}, args...)...); got != "work\nworld\n:4\n" {
			t.Errorf("%q: %q", args, got)
		}
	}
}
