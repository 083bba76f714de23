package terminal

import (
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/term"
)

// Status is one line that tells how far long work is. On a terminal it is written over again and again; otherwise a line comes at every change of
// what the work is about, and now and then. A nil Status shows nothing.
type Status struct {
	out  io.Writer
	tty  bool
	now  func() time.Time
	wide func() int

	mu     sync.Mutex
	shown  bool // the line is there
	kind   string
	lastAt time.Time
	lastOf int // tenths that the last line told of
}

// NewStatus returns a status line on out.
func NewStatus(out io.Writer, tty bool) *Status {
	return &Status{out: out, tty: tty, now: time.Now, wide: func() int { return widthOf(out) }, lastOf: -1}
}

// widthOf returns how many columns a terminal has.
func widthOf(out io.Writer) int {
	if f, ok := out.(interface{ Fd() uintptr }); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 10 {
			return w
		}
	}
	return 80
}

// Show tells the text. kind is what the work is about, and tenth how much of it is done, 0 to 10.
func (s *Status) Show(kind string, tenth int, text string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tty {
		// A line that reaches the last column would begin another one.
		fmt.Fprintf(s.out, "\r\x1b[K%s", Snip(text, s.wide()-1))
		s.shown = true
		return
	}
	since := s.now().Sub(s.lastAt)
	if kind != s.kind || since >= lineAtLeast || since >= lineEvery && tenth != s.lastOf {
		s.kind, s.lastAt, s.lastOf = kind, s.now(), tenth
		fmt.Fprintln(s.out, text)
	}
}

// Shown reports whether the line is there.
func (s *Status) Shown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown
}

// Clear removes the line, so that what is printed next does not run into it. It comes again.
func (s *Status) Clear() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shown {
		fmt.Fprint(s.out, "\r\x1b[K")
		s.shown = false
	}
}
