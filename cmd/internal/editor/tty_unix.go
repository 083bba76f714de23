//go:build !windows

package editor

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// tty is a terminal.
type tty struct {
	fd      int
	out     io.Writer
	plain   bool
	changed chan struct{} // its size changed, or the program goes on after it was suspended

	mu      sync.Mutex
	normal  unix.Termios
	mode    mode
	again   bool // the program went on after it was suspended
	signals chan os.Signal
	done    chan struct{}
}

// openTTY makes a terminal quiet, and watches for signals that concern it.
func openTTY(in *os.File, out io.Writer, plain bool) (*tty, error) {
	t := &tty{fd: int(in.Fd()), out: out, plain: plain, changed: make(chan struct{}, 1), signals: make(chan os.Signal, 1), done: make(chan struct{})}
	if plain {
		return t, nil
	}
	normal, err := unix.IoctlGetTermios(t.fd, getTermios)
	if err != nil {
		return nil, err
	}
	t.normal = *normal
	if err := t.set(modeQuiet); err != nil {
		return nil, err
	}
	for _, s := range []os.Signal{syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGQUIT} {
		if !signal.Ignored(s) {
			signal.Notify(t.signals, s)
		}
	}
	go t.watch()
	return t, nil
}

func (t *tty) watch() {
	for {
		select {
		case s := <-t.signals:
			switch s {
			case syscall.SIGWINCH:
				t.notify()
			case syscall.SIGTSTP:
				if t.canSuspend() {
					t.suspend(false)
				}
			case syscall.SIGQUIT: // its default is a trace and the end
				t.close()
				signal.Reset(syscall.SIGQUIT)
				syscall.Kill(os.Getpid(), syscall.SIGQUIT)
			}
		case <-t.done:
			return
		}
	}
}

func (t *tty) notify() {
	select {
	case t.changed <- struct{}{}:
	default:
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
	state := t.normal
	if m != modeNormal {
		state.Iflag &^= unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL
		state.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.IEXTEN
		state.Cc[unix.VMIN], state.Cc[unix.VTIME] = 1, 0
	}
	if m == modeRead {
		state.Iflag &^= unix.IXON
		state.Lflag &^= unix.ISIG
	}
	err := unix.IoctlSetTermios(t.fd, setTermios, &state)
	for errors.Is(err, unix.EINTR) {
		err = unix.IoctlSetTermios(t.fd, setTermios, &state)
	}
	if err != nil {
		return err
	}
	switch was := t.mode; {
	case was == modeNormal && m != modeNormal:
		io.WriteString(t.out, bracketedPasteOn)
	case was != modeNormal && m == modeNormal:
		io.WriteString(t.out, bracketedPasteOff)
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
	if t.plain {
		return
	}
	signal.Stop(t.signals)
	t.change(modeNormal)
}

// size returns the number of columns and rows.
func (t *tty) size() (width, height int) {
	width, height, err := term.GetSize(t.fd)
	if err != nil || width <= 0 || height <= 0 {
		return 80, 24
	}
	return width, height
}

// canSuspend reports whether somebody can continue the program. A session leader's group has no shell that controls it: the kernel does
// not suspend it either.
func (t *tty) canSuspend() bool {
	session, err := unix.Getsid(0)
	return err == nil && session != unix.Getpgrp() && !t.plain
}

// suspend gives the terminal back, suspends the program until it is continued, and takes the terminal again. With group, the other
// programs of a pipeline are suspended too, as the terminal does it for Ctrl-Z.
func (t *tty) suspend(group bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.mode
	if m == modeNormal {
		return
	}
	t.change(modeNormal)
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	pid := os.Getpid()
	if group {
		pid = 0
	}
	syscall.Kill(pid, syscall.SIGSTOP) // Go does not give SIGTSTP its default back
	<-continued
	signal.Stop(continued)
	t.change(m)
	if !group { // else who asked for it knows
		t.again = true
		t.notify()
	}
}

// continued reports whether the program was suspended since the last call.
func (t *tty) continued() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	again := t.again
	t.again = false
	return again
}
