package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"

	"st/format/outfile"
	"st/runtime"
)

// A conversation that is kept goes on with what was said.
func TestSession(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	ask := func(message string, args ...string) generateReport {
		t.Helper()
		return mustJSON[generateReport](t, append([]string{"run", tiny(t), message, "--json", "-n", "8", "--temp", "0", "--session", "a"}, args...)...)
	}
	first := ask("Hello")
	second := ask("And you?")
	if second.PromptTokens >= first.PromptTokens+first.GenTokens || second.KVBytes == 0 {
		t.Errorf("the second turn ran %d tokens, the first %d", second.PromptTokens, first.PromptTokens)
	}
	if o := st("run", tiny(t), "x", "-n", "1", "--session", "a"); !strings.Contains(o.stderr, "note: the session a goes on after 4 messages\n") {
		t.Errorf("%+v", o)
	}
	// A system message comes first, in place of the one that was there, and stays.
	for _, tt := range []struct {
		args []string
		note string
		runs bool // the conversation is run again
	}{
		{[]string{"--system", "Be terse."}, "goes on after 6 messages, with another system message: all of it is computed again", true},
		{[]string{"--system", "Be terse."}, "goes on after 9 messages\n", false},
		{nil, "goes on after 11 messages\n", false},
		{[]string{"--system", "Be kind."}, "goes on after 13 messages, with another system message: all of it is computed again", true},
	} {
		o := st(append([]string{"run", tiny(t), "Go on", "-n", "1", "--temp", "0", "--session", "a", "--stats"}, tt.args...)...)
		var prompt int
		_, after, _ := strings.Cut(o.stderr, "prompt ")
		if _, err := fmt.Sscan(after, &prompt); err != nil || o.code != exitOK || !strings.Contains(o.stderr, tt.note) || (prompt > 30) != tt.runs {
			t.Errorf("%q: %d tokens were run, %v: %+v, want %q", tt.args, prompt, err, o, tt.note)
		}
	}
	// What does not fit is not lost, and no text that could be shortened.
	path, err := sessionPath("a")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"--ctx 8", "", "--system Be_brief."} {
		o := st(append([]string{"run", tiny(t), strings.Repeat("to be ", 1000), "--session", "a"}, strings.Fields(args)...)...)
		const want = "give a larger --ctx, name another session, or leave PROMPT out on a terminal, where its oldest turns can be left out\n"
		if o.code != exitFailure || !strings.Contains(o.stderr, "st: the session a: ") || !strings.HasSuffix(o.stderr, want) || strings.Contains(o.stderr, "shorten") {
			t.Errorf("%q: %+v, want %q", args, o, want)
		}
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, kept) {
		t.Errorf("what could not go on was kept in another way, %v", err)
	}
	for _, tt := range []struct {
		args []string
		want outcome
	}{
		{[]string{"--session", "../a"}, outcome{code: 2, stderr: "st: --session \"../a\": a name has letters, digits, dots, dashes and underscores, and begins with one of the first two\nrun 'st run --help' for usage\n"}},
	} {
		if o := st(append([]string{"run", tiny(t), "x"}, tt.args...)...); o != tt.want {
			t.Errorf("%q: %+v, want %+v", tt.args, o, tt.want)
		}
	}
	if o := st("run", tiny(t), "x", "--session", "a", "--kv-type", "f32"); o.code != 1 || !strings.Contains(o.stderr, "its KV cache has the type \"f16\", not f32") {
		t.Errorf("with another type of KV cache: %+v", o)
	}
}

// At a terminal a conversation that is longer than the context is there, and goes on without its oldest turns if the user wants that. Until then it
// stays as it is kept, with its KV cache.
func TestSessionLongerThanContext(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	args := []string{"run", tiny(t), "Tell me more about the sea, and about the ships that sail on it.", "-n", "20", "--session", "a", "--quiet"}
	for range 3 {
		must(t, args...)
	}
	path, err := sessionPath("a")
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		reply    string
		messages int // that are kept afterwards
	}{
		{"n", 6},
		{"y", 4}, // the last turn before, and the new one
	} {
		a, stdout, stderr := testApp()
		c := newConversation(t, a, 84, 4, "And ships?", tt.reply)
		if c.chat, err = a.openChat(t.Context(), c.model, &generateFlags{session: "a"}); err != nil {
			t.Fatal(err)
		}
		if err := c.talk(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.chat.close()
		if !strings.Contains(stderr.String(), "the session a goes on after 6 messages, whose ") || !strings.Contains(stderr.String(), "tokens are more than the context of 84: --ctx") ||
			!strings.Contains(stdout.String(), "leave out the oldest turns, and go on?") {
			t.Errorf("%s: %s%s", tt.reply, stdout, stderr)
		}
		if now, err := os.ReadFile(path); err != nil || bytes.Equal(now, whole) != (tt.reply == "n") {
			t.Errorf("%s: the session's file is the same: %t, %v", tt.reply, bytes.Equal(now, whole), err)
		}
		if kept := openSession(t, c.model).Messages(); len(kept) != tt.messages {
			t.Errorf("%s: %d messages are kept, want %d: %v", tt.reply, len(kept), tt.messages, kept)
		}
	}
}

// Ctrl-C while what is left of a conversation is computed again leaves all of it as it was.
func TestSessionMakesRoomInterrupted(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	for range 3 {
		must(t, "run", tiny(t), "Tell me more about the sea: "+strings.Repeat("ships ", 150), "-n", "400", "--session", "a", "--quiet", "--ctx", "4000")
	}
	a, _, _ := testApp()
	a.errTerminal = true
	var shown bytes.Buffer
	a.stderr = writerFunc(func(p []byte) (int, error) {
		if strings.Contains(string(p), "prompt") { // the progress of a long prompt
			a.interrupts.handled() // as SIGINT does
		}
		return shown.Write(p)
	})
	c := newConversation(t, a, 1000, 4, "And ships?", "y")
	var err error
	if c.chat, err = a.openChat(t.Context(), c.model, &generateFlags{session: "a"}); err != nil {
		t.Fatal(err)
	}
	before := c.chat.Messages()
	if err := c.talk(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.chat.close()
	if !c.interrupted || len(before) != 6 || strings.Contains(shown.String(), "left out") {
		t.Errorf("%d messages: %s", len(before), shown.String())
	}
	for what, now := range map[string]*runtime.Chat{"the conversation": c.chat.Chat, "the session": openSession(t, c.model)} {
		if got := now.Messages(); !reflect.DeepEqual(got, before) {
			t.Errorf("%s has %d messages", what, len(got))
		}
	}
}

// What /clear clears is not kept either, also if nothing is said afterwards. The system message stays.
func TestSessionCleared(t *testing.T) {
	for _, tt := range []struct {
		system string
		want   string // of the next run; "": the session is new
	}{
		{"", ""},
		{"Be terse.", "note: the session a goes on after 1 message\n"},
	} {
		t.Setenv("XDG_STATE_HOME", t.TempDir())
		must(t, "run", tiny(t), "Hello", "-n", "2", "--session", "a", "--quiet", "--system", tt.system)
		a, _, stderr := testApp()
		c := newConversation(t, a, 0, 4, "/clear")
		var err error
		if c.chat, err = a.openChat(t.Context(), c.model, &generateFlags{session: "a"}); err != nil {
			t.Fatal(err)
		}
		err = c.talk(t.Context())
		if c.chat.close(); err != nil || !strings.Contains(stderr.String(), "goes on after ") {
			t.Fatalf("%v: %s", err, stderr)
		}
		path, err := sessionPath("a")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) != (tt.want == "") {
			t.Errorf("%q: the file of a session that was cleared: %v", tt.system, err)
		}
		if o := st("run", tiny(t), "Hello", "-n", "2", "--session", "a"); o.code != exitOK || o.stderr != tt.want {
			t.Errorf("%q: %+v, want %q", tt.system, o, tt.want)
		}
	}
}

// openSession reads the conversation of the session a.
func openSession(t *testing.T, m *runtime.Model) *runtime.Chat {
	t.Helper()
	path, err := sessionPath("a")
	if err != nil {
		t.Fatal(err)
	}
	c, err := m.ReadChat(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A conversation that another process goes on with is left to that one, and is free again when it has ended.
func TestSessionInUse(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	args := []string{"run", tiny(t), "Hello", "-n", "2", "--session", "a", "--quiet"}
	must(t, args...)
	path, err := sessionPath("a")
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := lockSession(path)
	if err != nil {
		t.Fatal(err)
	}
	const want = "st: the session a is in use by another process: end that one, or name another session\n"
	if o := st(args...); o != (outcome{code: 1, stderr: want}) {
		t.Errorf("%+v, want %q", o, want)
	}
	unlock()
	must(t, args...)
	if names := list(t, filepath.Dir(path)); !slices.Equal(names, []string{"a.session"}) {
		t.Errorf("beside the session stays %q", names)
	}
}

// Whoever has had the lock of a session removes the file that is locked. A process that had opened it before that does not take the lock of a file that
// is gone: another one would have that of a new file at the same time.
func TestLockSession(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a"+sessionSuffix)
	lock := func() (unlock func()) {
		t.Helper()
		unlock, err := lockSession(path)
		if err != nil {
			t.Fatal(err)
		}
		return unlock
	}
	opened := func() *os.File {
		t.Helper()
		f, err := os.Open(strings.TrimSuffix(path, sessionSuffix) + ".lock")
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	unlock := lock()
	if _, err := lockFile(opened()); err != errSessionInUse {
		t.Errorf("while another has the lock: %v", err)
	}
	before := opened()
	again := opened()
	unlock()
	if goruntime.GOOS == "windows" { // which does not remove what is open
		before.Close()
		again.Close()
		lock()()
	} else {
		if _, err := lockFile(before); err != errLockGone {
			t.Errorf("after the file was removed: %v", err)
		}
		unlock = lock()
		if _, err := lockFile(again); err != errLockGone {
			t.Errorf("after there is a new file: %v", err)
		}
		unlock()
	}
	if names := list(t, filepath.Dir(path)); len(names) > 0 {
		t.Errorf("left is %q", names)
	}
}

// A text whose KV cache cannot be kept is shown, as text and as JSON, before the error; a place where nothing can be kept is known before the prompt
// has run.
func TestCannotKeep(t *testing.T) {
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	dir := t.TempDir()
	inTheWay := filepath.Join(state, "st", "sessions", "a.session")
	prompt := []string{"generate", tiny(t), "-p", "Hello", "-n", "2", "--temp", "0", "--quiet"}
	want := must(t, prompt...)
	// The name is taken while the text is generated.
	taken := func(path string, args ...string) outcome {
		var stdout, stderr strings.Builder
		out := writerFunc(func(p []byte) (int, error) {
			if err := os.MkdirAll(filepath.Join(path, "in the way"), 0o700); err != nil {
				t.Error(err)
			}
			return stdout.Write(p)
		})
		code := run(args, strings.NewReader(""), out, &stderr)
		return outcome{code, stdout.String(), stderr.String()}
	}
	if o := taken(inTheWay, "run", tiny(t), "Hello", "-n", "2", "--session", "a", "--quiet"); o.code != 1 || !strings.HasSuffix(o.stdout, "\n") ||
		!strings.Contains(o.stderr, inTheWay) {
		t.Errorf("%+v", o)
	}
	for _, tt := range []struct{ path, want string }{
		{filepath.Join(dir, "none", "p.seq"), "the directory of " + filepath.Join(dir, "none", "p.seq")},
		{dir, dir + " is a directory"},
		{tiny(t), "is an input too"},
	} {
		if o := st(append(prompt, "--prompt-cache", tt.path)...); o.code != 1 || o.stdout != "" || !strings.Contains(o.stderr, tt.want) {
			t.Errorf("%s: %+v, want %q", tt.path, o, tt.want)
		}
	}
	// One that another process writes is no error.
	path := filepath.Join(dir, "p.seq")
	f, err := outfile.Create(path, outfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Abort()
	if o := st(append(prompt, "--prompt-cache", path)...); o != (outcome{stdout: want}) {
		t.Errorf("%+v, want %q", o, want)
	}
}
