//go:build linux

package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// At a terminal a pasted text is one message; it is there again in the next chat; the terminal is given back.
func TestChatAtTerminal(t *testing.T) {
	master, tty, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	defer master.Close()
	before, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	cmd := exec.Command(os.Args[0], "run", tiny(t), "-n", "4", "--temp", "0", "--stats")
	cmd.Env = append(os.Environ(), asProgram+"=1", "TERM=xterm", "XDG_STATE_HOME="+state)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hung := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() }) // which ends the test by an error of Read
	defer hung.Stop()
	tty.Close()
	var output bytes.Buffer
	seen := 0
	until := func(what string) {
		t.Helper()
		for b := make([]byte, 4096); !strings.Contains(output.String()[seen:], what); {
			n, err := master.Read(b)
			if output.Write(b[:n]); err != nil {
				t.Fatalf("%q does not come: %v\n%q", what, err, output.String()[seen:])
			}
		}
		seen += strings.Index(output.String()[seen:], what) + len(what)
	}
	until(">>> \x1b[K")
	for _, keys := range []string{"\x1b[200~one\rtwo\tcolumns\rthree\x1b[201~", "\r"} {
		io.WriteString(master, keys)
		until("\x1b[?25h")
	}
	until("seed ") // the end of the statistics of its answer
	until(">>> \x1b[K")
	io.WriteString(master, "\x03")
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%q", err, output.String())
	}
	if after, err := unix.IoctlGetTermios(int(master.Fd()), unix.TCGETS); err != nil || *after != *before {
		t.Errorf("the terminal is %+v, was %+v, %v", after, before, err)
	}
	if n := strings.Count(output.String(), "first token after"); n != 1 {
		t.Errorf("%d answers", n)
	}
	history, err := os.ReadFile(filepath.Join(state, "st", "history"))
	if err != nil || string(history) != `"one\ntwo\tcolumns\nthree"`+"\n" {
		t.Errorf("history is %q, %v", history, err)
	}
}
