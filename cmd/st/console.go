package main

import (
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// console reads lines that can be edited, with a history, from a terminal. The terminal is in raw mode only while a line is
// read, so that Ctrl-C is a signal while an answer is written.
type console struct {
	fd   int
	term *term.Terminal

	mu     sync.Mutex
	normal *term.State // what raw mode was entered from
}

func newConsole(in *os.File, out io.Writer) *console {
	return &console{fd: int(in.Fd()), term: term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{interruptClears{in}, out}, ">>> ")}
}

// ReadLine returns io.EOF on Ctrl-D.
func (c *console) ReadLine() (string, error) {
	if width, height, err := term.GetSize(c.fd); err == nil && width > 0 {
		c.term.SetSize(width, height)
	}
	state, err := term.MakeRaw(c.fd)
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	c.normal = state
	c.mu.Unlock()
	defer c.restore()
	return c.term.ReadLine()
}

// restore leaves raw mode. It may be called while a line is being read, before the program ends.
func (c *console) restore() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.normal != nil {
		term.Restore(c.fd, c.normal)
		c.normal = nil
	}
}

// interruptClears makes Ctrl-C clear the line that is being typed: term.Terminal would end the input.
type interruptClears struct{ r io.Reader }

func (i interruptClears) Read(p []byte) (int, error) {
	const ctrlC, ctrlU = 3, 21
	n, err := i.r.Read(p)
	for j, b := range p[:n] {
		if b == ctrlC {
			p[j] = ctrlU
		}
	}
	return n, err
}
