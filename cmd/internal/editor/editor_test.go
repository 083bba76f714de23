//go:build linux

package editor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// The tests run this program again at a pseudo-terminal, as a chat whose answers are the messages.
func TestMain(m *testing.M) {
	if path := os.Getenv("EDITOR_TEST_HISTORY"); path != "" {
		chat(path)
		return
	}
	os.Exit(m.Run())
}

func chat(history string) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Printf("panic: %v\n", r)
		}
	}()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	e, err := New(Options{
		In: os.Stdin, Out: os.Stdout, History: OpenHistory(history), Plain: os.Getenv("TERM") == "dumb",
		Commands: []string{"/bye", "/clear", "/close"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer fmt.Println("closed")
	defer e.Close()
	for {
		message, err := e.Read(ctx, ">>> ")
		if err != nil {
			fmt.Printf("error: %v\n", err)
			if errors.Is(err, ErrLineCut) {
				continue
			}
			return
		}
		switch message {
		case "panic":
			panic("at the disco")
		case "answer": // until Ctrl-C
			interrupted := make(chan os.Signal, 1)
			signal.Notify(interrupted, os.Interrupt)
			fmt.Println("answering")
			<-interrupted
			signal.Stop(interrupted)
			fmt.Println("stopped")
		default:
			if len(message) > 200 {
				fmt.Printf("got %d bytes, %q\n", len(message), message[len(message)-5:])
			} else {
				fmt.Printf("got %q\n", message)
			}
		}
	}
}

// person is somebody at a terminal.
type person struct {
	t        *testing.T
	pty, tty *os.File
	screen   *vt
	cmd      *exec.Cmd
	before   unix.Termios

	mu     sync.Mutex
	output strings.Builder
	wrote  chan struct{}
	ended  chan struct{}
	late   <-chan time.Time // shortly before the test's time limit, so that a failure still shows the screen
}

// sit starts the chat at a terminal of a size.
func sit(t *testing.T, w, h uint16, env ...string) *person {
	t.Helper()
	return sitAt(t, exec.Command(os.Args[0]), w, h, env...)
}

// sitAt starts a program at a terminal of a size.
func sitAt(t *testing.T, cmd *exec.Cmd, w, h uint16, env ...string) *person {
	t.Helper()
	p := &person{t: t, cmd: cmd, screen: newVT(t, int(w), int(h)), wrote: make(chan struct{}, 1), ended: make(chan struct{})}
	if limit, ok := t.Deadline(); ok {
		p.late = time.After(time.Until(limit) - 10*time.Second)
	}
	var err error
	if p.pty, p.tty, err = pty.Open(); err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	t.Cleanup(func() { p.pty.Close(); p.tty.Close() })
	pty.Setsize(p.pty, &pty.Winsize{Cols: w, Rows: h})
	p.before = p.modes()
	cmd.Env = append(append(os.Environ(), "TERM=xterm", "PS1=$ ", "EDITOR_TEST_HISTORY="+filepath.Join(t.TempDir(), "history")), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.tty, p.tty, p.tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := p.pty.Read(b)
			if err != nil {
				return
			}
			p.screen.Write(b[:n])
			p.mu.Lock()
			p.output.Write(b[:n])
			p.mu.Unlock()
			select {
			case p.wrote <- struct{}{}:
			default:
			}
		}
	}()
	go func() { p.cmd.Wait(); close(p.ended) }()
	t.Cleanup(func() { p.cmd.Process.Kill(); <-p.ended })
	return p
}

func (p *person) modes() unix.Termios {
	m, err := unix.IoctlGetTermios(int(p.tty.Fd()), getTermios)
	if err != nil {
		p.t.Fatal(err)
	}
	return *m
}

// sends sends text.
func (p *person) sends(s string) {
	p.t.Helper()
	if _, err := io.WriteString(p.pty, s); err != nil {
		p.t.Fatal(err)
	}
}

// types sends keys, each when the one before has done its work: the screen is drawn again then.
func (p *person) types(keys ...string) {
	p.t.Helper()
	for _, k := range keys {
		n := p.drawn()
		p.sends(k)
		p.until(fmt.Sprintf("%q does something", k), func() bool { return p.drawn() > n })
	}
}

func (p *person) drawn() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Count(p.output.String(), "\x1b[?25h")
}

// sees waits until the screen ends with these rows; the cursor is where | is.
func (p *person) sees(want string) {
	p.t.Helper()
	p.until(fmt.Sprintf("the screen ends with\n%s", want), func() bool { return strings.HasSuffix("\n"+p.screen.String(), "\n"+want) })
}

// reads waits until something was printed.
func (p *person) reads(want string) {
	p.t.Helper()
	p.until(fmt.Sprintf("%q is printed", want), func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return strings.Contains(strings.ReplaceAll(p.output.String(), "\r", ""), want)
	})
}

func (p *person) until(what string, ok func() bool) {
	p.t.Helper()
	for !ok() {
		select {
		case <-p.wrote:
		case <-p.late:
			p.t.Fatalf("waited for: %s\nthe screen is\n%s", what, p.screen)
		}
	}
}

// ends waits until the chat has ended, and checks that the terminal is as it was.
func (p *person) ends() {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-p.late:
		p.t.Fatalf("the chat does not end\n%s", p.screen)
	}
	p.restored()
}

func (p *person) restored() {
	p.t.Helper()
	if got := p.modes(); got != p.before {
		p.t.Errorf("the terminal's modes are %+v, were %+v", got, p.before)
	}
	p.until("bracketed paste is off, wrapping on", func() bool {
		p.screen.mu.Lock()
		defer p.screen.mu.Unlock()
		return !p.screen.paste && !p.screen.noWrap
	})
}

const (
	up1, down1, left1, right1 = "\x1b[A", "\x1b[B", "\x1b[D", "\x1b[C"
	ctrlC, ctrlD, ctrlR       = "\x03", "\x04", "\x12"
)

func TestRead(t *testing.T) {
	for _, tt := range []struct {
		name string
		keys []string
		want string
	}{
		{"a line", []string{"hello", "\r"}, `"hello"`},
		{"a paste of three lines", []string{pasteBegin + "one\rtwo\t2\r\rthree" + pasteEnd, "\r"}, `"one\ntwo\t2\n\nthree"`},
		{"a paste that no terminal marks", []string{"one\rtwo\t2\r\rthree", "\r"}, `"one\ntwo\t2\n\nthree"`},
		{"a paste of sequences", []string{pasteBegin + "\x1b[2J\x1b]0;x\a\x03\x00" + pasteEnd, "\r"}, `"\x1b[2J\x1b]0;x\a\x03\x00"`},
		{"Alt+Enter", []string{"a", "\x1b\r", "b", "\r"}, `"a\nb"`},
		{"Ctrl+J", []string{"a", "\n", "b", "\r"}, `"a\nb"`},
		{"a backslash", []string{`a\`, "\r", "b", "\r"}, `"a\nb"`},
		{"quotes", []string{`"""a`, "\r", "b", "\r", `"""`, "\r"}, `"a\nb"`},
		{"tabs", []string{"a\tb\tc", "\r"}, `"a\tb\tc"`},
		{"Tab", []string{"a", "\t", "b", "\r"}, `"a\tb"`},
		{"wide characters", []string{"한글漢字", "\x7f", "\x7f", left1, "x", "\r"}, `"한x글"`},
		{"emoji", []string{"a" + family + flag + "e\u0301", "\x7f", "\x7f", "b", left1, left1, "c", "\r"}, `"ac` + family + `b"`},
		{"the middle of a text", []string{"one two three", "\x1bb", "\x1bb", "\x0b", "\x01", "\x19", " ", "\r"}, `"two three one "`},
		{"up and down within a text", []string{"one\x1b\rtwo\x1b\rthree", up1, up1, "X", down1, "Y", "\r"}, `"oneX\ntwoY\nthree"`},
		{"a command is completed", []string{"/b", "\t", "\r"}, `"/bye"`},
		{"a command is completed in part", []string{"/c", "\t", "\t", "o", "\t", "\r"}, `"/close"`},
		{"Ctrl-C clears", []string{"nonsense", ctrlC, "hello", "\r"}, `"hello"`},
		{"Ctrl-C ends a paste without an end", []string{pasteBegin + "abc", "\r", ctrlC, "hello", "\r"}, `"hello"`},
		{"Ctrl-D deletes", []string{"ab", left1, ctrlD, "\r"}, `"a"`},
		{"Ctrl-Z without a shell", []string{"a", "\x1a", "b", "\r"}, `"ab"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := sit(t, 60, 20)
			p.sees(">>> |")
			p.types(tt.keys...)
			p.reads("got " + strings.ReplaceAll(tt.want, "\u200d", `\u200d`))
			p.sees(">>> |")
			p.types(ctrlD)
			p.reads("error: EOF\n")
			p.ends()
		})
	}
}

// A terminal takes 4,096 bytes at a time, and lines that it edits itself are not longer.
func TestReadLong(t *testing.T) {
	for name, marks := range map[string][2]string{"marked": {pasteBegin, pasteEnd}, "unmarked": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := sit(t, 80, 24)
			p.sees(">>> |")
			p.sends(marks[0] + strings.Repeat("word ", 20_000) + "final" + marks[1])
			p.until("all of it is shown", func() bool { return strings.Contains(p.screen.String(), "final|") })
			p.types("\r")
			p.reads(`got 100005 bytes, "final"`)
			p.types(ctrlD)
			p.ends()
		})
	}
}

func TestReadHistory(t *testing.T) {
	history := "EDITOR_TEST_HISTORY=" + filepath.Join(t.TempDir(), "history")
	p := sit(t, 40, 10, history)
	p.sees(">>> |")
	p.types("first", "\r")
	p.reads(`got "first"`)
	p.types("second\x1b\rline", "\r")
	p.reads(`got "second\nline"`)
	p.types(ctrlD)
	p.ends()

	p = sit(t, 40, 10, history)
	p.sees(">>> |")
	p.types("draft", up1)
	p.sees(">>> second\n... line|")
	p.types(up1, up1)
	p.sees(">>> first|")
	p.types(down1, down1, down1)
	p.sees(">>> draft|")
	p.types("\x15", ctrlR, "fi")
	p.sees("(search) fi|\nfirst")
	p.types("x")
	p.sees("(not found) fix|\nfirst")
	p.types("\x7f", "\r")
	p.reads(`got "first"`)
	p.types(ctrlR, "line", "\x07")
	p.sees(">>> |")
	p.types(ctrlR, "sec", "\x05", "!", "\r")
	p.reads(`got "second\nline!"`)
	p.types(ctrlD)
	p.ends()
}

func TestReadResize(t *testing.T) {
	p := sit(t, 20, 6)
	p.sees(">>> |")
	p.types("0123456789abcdefghij")
	p.sees(">>> 0123456789abcdef\nghij|")
	pty.Setsize(p.pty, &pty.Winsize{Cols: 40, Rows: 6})
	p.until("it is drawn in one row", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return strings.Contains(p.output.String(), ">>> 0123456789abcdefghij")
	})
	p.types(ctrlC, ctrlD)
	p.reads("error: EOF")
	p.ends()
}

func TestInterrupt(t *testing.T) {
	p := sit(t, 40, 10)
	p.sees(">>> |")
	p.types("some text", ctrlC)
	p.sees(">>> some text\n>>> |")
	p.types(ctrlC)
	p.reads("error: interrupted\n")
	p.ends()
}

// While the model answers, Ctrl-C is a signal, and what is typed is not shown but kept.
func TestAnswer(t *testing.T) {
	p := sit(t, 40, 10)
	p.sees(">>> |")
	p.types("answer", "\r")
	p.reads("answering\n")
	p.sends(ctrlC)
	p.reads("stopped\n")
	p.sees(">>> answer\nanswering\nstopped\n>>> |")
	p.types("answer", "\r")
	p.sees("stopped\n>>> answer\nanswering\n|")
	p.sends(pasteBegin + strings.Repeat("more ", 2000) + "\r" + pasteEnd + "\r")
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.reads(`got 10001 bytes, "ore \n"`)
	p.types(ctrlD)
	p.ends()
}

func TestRestored(t *testing.T) {
	for _, tt := range []struct {
		name string
		keys []string
		sig  syscall.Signal
		want string
	}{
		{"panic", []string{"panic", "\r"}, 0, "panic: at the disco"},
		{"SIGTERM", nil, syscall.SIGTERM, "error: "},
		{"SIGHUP", nil, syscall.SIGHUP, "error: "},
		{"SIGQUIT", nil, syscall.SIGQUIT, "SIGQUIT"},
		{"SIGQUIT during an answer", []string{"answer", "\r"}, syscall.SIGQUIT, "SIGQUIT"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := sit(t, 40, 10)
			p.sees(">>> |")
			p.types(tt.keys...)
			if tt.sig != 0 {
				if len(tt.keys) > 0 {
					p.reads("answering")
				}
				if err := p.cmd.Process.Signal(tt.sig); err != nil {
					t.Fatal(err)
				}
			}
			p.reads(tt.want)
			p.ends()
		})
	}
}

// Ctrl-Z in a shell: the terminal is as it was until fg.
func TestSuspend(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	for _, during := range []string{"a message", "an answer"} {
		t.Run(during, func(t *testing.T) {
			p := sitAt(t, exec.Command(bash, "--norc", "--noprofile", "--noediting"), 200, 20)
			p.sees("$ |")
			p.sends(os.Args[0] + "\r")
			p.sees(">>> |")
			if during == "an answer" {
				p.types("answer", "\r")
				p.reads("answering\n")
			} else {
				p.types("half")
				p.sees(">>> half|")
			}
			p.sends("\x1a")
			p.reads("Stopped")
			p.sees("$ |")
			p.sends("stty -a | tr ' ;' '\\n' | grep -c '^-icanon$\\|^-echo$'\r")
			p.sees("0\n$ |")
			p.sends("fg\r")
			if during == "an answer" {
				p.until("the chat has the terminal", func() bool { return p.modes().Lflag&unix.ICANON == 0 && p.screen.pasting() })
				p.sends(ctrlC)
				p.reads("stopped\n")
				p.sees(">>> |")
			} else {
				p.sees(">>> half|")
				p.types(" done", "\r")
				p.reads(`got "half done"`)
			}
			p.types(ctrlD)
			p.reads("closed")
			p.sees("$ |")
			p.sends("exit\r")
			p.ends()
		})
	}
}

func (v *vt) pasting() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.paste
}

func TestDumb(t *testing.T) {
	p := sit(t, 60, 20, "TERM=dumb")
	p.sees(">>> |")
	p.sends("hello\n")
	p.reads(`got "hello"`)
	p.sees(">>> |")
	p.sends("a\\\n")
	p.sees("... |")
	p.sends("b\tc\n")
	p.reads(`got "a\nb\tc"`)
	p.sees(">>> |")
	p.sends(strings.Repeat("x", 5000) + "?\n")
	p.reads("error: " + ErrLineCut.Error())
	p.sees(">>> |")
	p.sends(strings.Repeat("x", 4093) + "?\n")
	p.reads(`got 4094 bytes, "xxxx?"`)
	p.sees(">>> |")
	p.sends(ctrlD)
	p.reads("error: EOF")
	p.ends()
	p.mu.Lock()
	defer p.mu.Unlock()
	if strings.Contains(p.output.String(), "\x1b") {
		t.Errorf("escape sequences: %q", p.output.String())
	}
}

func TestNewNoTerminal(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := New(Options{In: f, Out: io.Discard}); !errors.Is(err, unix.ENOTTY) {
		t.Errorf("%v", err)
	}
}
