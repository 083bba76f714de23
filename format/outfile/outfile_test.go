package outfile_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"st/format/outfile"
)

// TestMain lets the test's binary be a process that writes a file: it says that it has begun, and ends when its input does.
func TestMain(m *testing.M) {
	path := os.Getenv("OUTFILE_TEST_PATH")
	if path == "" {
		os.Exit(m.Run())
	}
	f, err := outfile.Create(path, outfile.Options{Replace: os.Getenv("OUTFILE_TEST_REPLACE") != ""})
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	defer f.Abort()
	fmt.Fprintf(f, "of process %d", os.Getpid())
	fmt.Println("begun")
	io.Copy(io.Discard, os.Stdin)
	if err := f.Commit(); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println("done")
	os.Exit(0)
}

// writer is such a process.
type writer struct {
	cmd *exec.Cmd
	in  io.Closer
	out *bufio.Reader
}

func start(t *testing.T, path string, replace bool) *writer {
	t.Helper()
	w := &writer{cmd: exec.Command(os.Args[0])}
	w.cmd.Env = append(os.Environ(), "OUTFILE_TEST_PATH="+path)
	if replace {
		w.cmd.Env = append(w.cmd.Env, "OUTFILE_TEST_REPLACE=1")
	}
	in, err := w.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.in, w.out = in, bufio.NewReader(out)
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.cmd.Process.Kill(); w.cmd.Wait() })
	return w
}

// line returns what the process says next.
func (w *writer) line() string {
	s, _ := w.out.ReadString('\n')
	return strings.TrimSpace(s)
}

func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func text(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func hello(w io.Writer) error { _, err := io.WriteString(w, "hello"); return err }

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	if err := outfile.Write(path, outfile.Options{}, hello); err != nil || text(t, path) != "hello" {
		t.Fatalf("%q, %v", text(t, path), err)
	}
	if info, _ := os.Stat(path); runtime.GOOS != "windows" && info.Mode().Perm()&0o400 == 0 {
		t.Errorf("the mode is %v", info.Mode())
	}
	if err := outfile.Write(path, outfile.Options{}, hello); !errors.Is(err, outfile.ErrExists) || !strings.Contains(err.Error(), path+" exists") {
		t.Errorf("an existing file: %v", err)
	}
	failed := errors.New("no")
	fill := func(w io.Writer) error { io.WriteString(w, "half"); return failed }
	if err := outfile.Write(path, outfile.Options{Replace: true}, fill); !errors.Is(err, failed) || text(t, path) != "hello" {
		t.Errorf("fill fails: %v, and the file has %q", err, text(t, path))
	}
	world := func(w io.Writer) error { _, err := io.WriteString(w, "world"); return err }
	if err := outfile.Write(path, outfile.Options{Replace: true}, world); err != nil || text(t, path) != "world" {
		t.Errorf("replaced: %v, %q", err, text(t, path))
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("the directory has %q", got)
	}
}

// What has the name is not replaced unless it is a regular file that may be.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	file, loop, dangling, link := filepath.Join(dir, "file"), filepath.Join(dir, "loop"), filepath.Join(dir, "dangling"), filepath.Join(dir, "link")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{loop: "loop", dangling: "nothing", link: "file"} {
		if err := os.Symlink(to, name); err != nil {
			t.Skip("no links here:", err)
		}
	}
	for _, tt := range []struct {
		path string
		opts outfile.Options
		want error
	}{
		{file, outfile.Options{}, outfile.ErrExists},
		{file, outfile.Options{Replace: true}, nil},
		{file, outfile.Options{Replace: true, Inputs: []string{link}}, outfile.ErrInput},
		{link, outfile.Options{Replace: true, Inputs: []string{file}}, outfile.ErrInput},
		{link, outfile.Options{Replace: true}, outfile.ErrNotFile},
		{loop, outfile.Options{}, outfile.ErrNotFile},
		{dangling, outfile.Options{}, outfile.ErrNotFile},
		{dangling, outfile.Options{Replace: true}, outfile.ErrNotFile},
		{dir, outfile.Options{Replace: true}, outfile.ErrNotFile},
		{os.DevNull, outfile.Options{Replace: true}, outfile.ErrNotFile},
		{filepath.Join(dir, "new"), outfile.Options{}, nil},
	} {
		if err := outfile.Check(tt.path, tt.opts); !errors.Is(err, tt.want) {
			t.Errorf("Check(%s, %+v): %v, want %v", tt.path, tt.opts, err, tt.want)
		}
		f, err := outfile.Create(tt.path, tt.opts)
		if !errors.Is(err, tt.want) {
			t.Errorf("Create(%s, %+v): %v, want %v", tt.path, tt.opts, err, tt.want)
		}
		if err == nil {
			f.Abort()
		}
	}
	if _, err := outfile.Create(filepath.Join(dir, "no", "file"), outfile.Options{}); !errors.Is(err, os.ErrNotExist) || strings.Contains(err.Error(), ".tmp") {
		t.Errorf("no directory: %v", err)
	}
}

// Of two that write the same file, one is refused, be they processes or goroutines.
func TestBusy(t *testing.T) {
	for _, replace := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "out")
		first := start(t, path, replace)
		if s := first.line(); s != "begun" {
			t.Fatal(s)
		}
		if _, err := outfile.Create(path, outfile.Options{Replace: replace}); !errors.Is(err, outfile.ErrBusy) ||
			!strings.Contains(err.Error(), fmt.Sprint("process ", first.cmd.Process.Pid)) {
			t.Errorf("another process writes: %v", err)
		}
		first.in.Close()
		if s := first.line(); s != "done" || text(t, path) != fmt.Sprint("of process ", first.cmd.Process.Pid) {
			t.Errorf("the first says %q", s)
		}
		if got := names(t, filepath.Dir(path)); len(got) != 1 {
			t.Errorf("the directory has %q", got)
		}
	}
	path := filepath.Join(t.TempDir(), "out")
	f, err := outfile.Create(path, outfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := outfile.Create(path, outfile.Options{}); !errors.Is(err, outfile.ErrBusy) {
		t.Errorf("another goroutine writes: %v", err)
	}
	f.Abort()
	if f, err = outfile.Create(path, outfile.Options{}); err != nil {
		t.Fatalf("it has given up: %v", err)
	}
	f.Abort()
}

// Many at once: one writes the file, and the others say that they did not.
func TestRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	var wg sync.WaitGroup
	said := make([]string, 6)
	writers := make([]*writer, len(said))
	for i := range writers {
		writers[i] = start(t, path, false)
	}
	for i, w := range writers {
		wg.Go(func() {
			if said[i] = w.line(); said[i] == "begun" {
				w.in.Close()
				said[i] = w.line()
			}
		})
	}
	wg.Wait()
	done := 0
	for i, s := range said {
		switch {
		case s == "done":
			if done++; text(t, path) != fmt.Sprint("of process ", writers[i].cmd.Process.Pid) {
				t.Errorf("the file has %q", text(t, path))
			}
		case !strings.Contains(s, "exists") && !strings.Contains(s, "is being written by another process"):
			t.Errorf("a process says %q", s)
		}
	}
	if done != 1 {
		t.Errorf("%d of %q have written the file", done, said)
	}
	if got := names(t, filepath.Dir(path)); len(got) != 1 {
		t.Errorf("the directory has %q", got)
	}
}

// A killed process leaves nothing under the name, and what it leaves is removed by the next.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	w := start(t, path, false)
	if s := w.line(); s != "begun" {
		t.Fatal(s)
	}
	w.cmd.Process.Kill()
	w.cmd.Wait()
	left := names(t, dir)
	if len(left) != 1 || !strings.HasPrefix(left[0], fmt.Sprintf("out.%d-", w.cmd.Process.Pid)) || !strings.HasSuffix(left[0], ".tmp") {
		t.Fatalf("the directory has %q", left)
	}
	others := []string{"out.1.tmp", "out.tmp", "out.x-1.tmp", "another.1-1.tmp", "out.0-1.tmp"} // which are not of its making
	for _, name := range others {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	f, err := outfile.Create(path, outfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Abort()
	if l := f.Leftovers(); len(l) != 1 || l[0].Path != filepath.Join(dir, left[0]) {
		t.Errorf("leftovers are %+v", l)
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); len(got) != len(others)+1 {
		t.Errorf("the directory has %q", got)
	}
}

// A file that appears while another is written is not replaced.
func TestAppears(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	f, err := outfile.Create(path, outfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("precious"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(); !errors.Is(err, outfile.ErrExists) || text(t, path) != "precious" {
		t.Errorf("%v, and the file has %q", err, text(t, path))
	}
	if err := f.Commit(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("once more: %v", err)
	}
	if got := names(t, filepath.Dir(path)); len(got) != 1 {
		t.Errorf("the directory has %q", got)
	}
}

// fullDisk fails when a number of bytes is written, or when it is synced.
type fullDisk struct {
	*os.File
	room int64
}

func (f *fullDisk) WriteAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) > f.room {
		return 0, &os.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
	}
	return f.File.WriteAt(p, at)
}

func (f *fullDisk) Sync() error {
	return &os.PathError{Op: "sync", Path: f.Name(), Err: syscall.ENOSPC}
}

func TestFullDisk(t *testing.T) {
	for _, room := range []int64{0, 3 << 20, 1 << 30} {
		path := filepath.Join(t.TempDir(), "out")
		err := outfile.Write(path, outfile.Options{Open: func(path string) (outfile.Target, error) {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			return &fullDisk{f, room}, err
		}}, func(w io.Writer) error {
			_, err := w.Write(make([]byte, 5<<20))
			return err
		})
		if !errors.Is(err, syscall.ENOSPC) || !strings.HasPrefix(err.Error(), "write "+path+": ") || strings.Contains(err.Error(), ".tmp") {
			t.Errorf("room for %d bytes: %v", room, err)
		}
		if got := names(t, filepath.Dir(path)); len(got) != 0 {
			t.Errorf("room for %d bytes: the directory has %q", room, got)
		}
	}
}

func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "greeting.txt")
	f, err := outfile.Create(path, outfile.Options{})
	if err != nil {
		panic(err)
	}
	defer f.Abort() // does nothing after Commit
	fmt.Fprintln(f, "hello")
	if err := f.Commit(); err != nil {
		panic(err)
	}
	err = outfile.Check(path, outfile.Options{})
	fmt.Println(errors.Is(err, outfile.ErrExists))
	// Output: true
}
