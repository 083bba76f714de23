package editor

import (
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/windows"
)

// tty is a console, of Windows 10 or later: it sends and knows the escape sequences of xterm.
type tty struct {
	in, out windows.Handle
	w       io.Writer
	plain   bool
	changed chan struct{} // its size changed

	mu         sync.Mutex
	normal     uint32 // modes before
	outNormal  uint32
	mode       mode
	wide, high int
	done       chan struct{}
}

// openTTY makes a console quiet.
func openTTY(in *os.File, out io.Writer, plain bool) (*tty, error) {
	t := &tty{in: windows.Handle(in.Fd()), w: out, plain: plain, changed: make(chan struct{}, 1), done: make(chan struct{})}
	var err error
	if t.out, err = windows.GetStdHandle(windows.STD_OUTPUT_HANDLE); err != nil {
		return nil, err
	}
	if plain {
		return t, nil
	}
	if err := windows.GetConsoleMode(t.in, &t.normal); err != nil {
		return nil, err
	}
	if err := windows.GetConsoleMode(t.out, &t.outNormal); err != nil {
		return nil, err
	}
	if err := t.set(modeQuiet); err != nil {
		return nil, err
	}
	t.wide, t.high = t.size()
	go t.watch()
	return t, nil
}

// watch looks for a new size now and then: a console tells of it only with the events that reading bytes drops.
func (t *tty) watch() {
	for every := time.NewTicker(250 * time.Millisecond); ; {
		select {
		case <-every.C:
			if wide, high := t.size(); wide != t.wide || high != t.high {
				t.wide, t.high = wide, high
				select {
				case t.changed <- struct{}{}:
				default:
				}
			}
		case <-t.done:
			every.Stop()
			return
		}
	}
}

// set changes the mode.
func (t *tty) set(m mode) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.plain {
		return nil
	}
	select {
	case <-t.done:
		return os.ErrClosed
	default:
	}
	return t.change(m)
}

func (t *tty) change(m mode) error {
	in, out := t.normal, t.outNormal
	if m != modeNormal {
		in = in&^(windows.ENABLE_ECHO_INPUT|windows.ENABLE_LINE_INPUT) | windows.ENABLE_PROCESSED_INPUT | windows.ENABLE_VIRTUAL_TERMINAL_INPUT
		out |= windows.ENABLE_PROCESSED_OUTPUT | windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING
	}
	if m == modeRead {
		in &^= windows.ENABLE_PROCESSED_INPUT
	}
	if m == modeNormal {
		io.WriteString(t.w, bracketedPasteOff) // while it is known what that means
	}
	if err := windows.SetConsoleMode(t.in, in); err != nil {
		return err
	}
	if err := windows.SetConsoleMode(t.out, out); err != nil {
		return err
	}
	if t.mode == modeNormal {
		io.WriteString(t.w, bracketedPasteOn)
	}
	t.mode = m
	return nil
}

func (t *tty) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-t.done:
		return
	default:
	}
	close(t.done)
	if !t.plain {
		t.change(modeNormal)
	}
}

// size returns the number of columns and rows.
func (t *tty) size() (width, height int) {
	var info windows.ConsoleScreenBufferInfo
	if windows.GetConsoleScreenBufferInfo(t.out, &info) != nil {
		return 80, 24
	}
	return int(info.Window.Right-info.Window.Left) + 1, int(info.Window.Bottom-info.Window.Top) + 1
}

// There is no job control.
func (t *tty) canSuspend() bool { return false }
func (t *tty) suspend(bool)     {}
func (t *tty) continued() bool  { return false }
