package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitInterrupted = 130 // 128 + SIGINT, as shells have it
)

// usageError is wrong usage that shows only after the flags were parsed.
type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// output is standard output. It keeps the first error, which ends the command, so that printing needs no checks.
type output struct {
	w       io.Writer
	err     error
	onError func()
}

func (o *output) Write(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.w.Write(p)
	if err != nil {
		o.err = err
		o.onError()
	}
	return n, err
}

// interrupts turns signals into a cancelled context. The first SIGINT, SIGTERM or SIGHUP cancels it, upon which commands clean up and return. A second one
// ends the program at once, or calls the function given to onSecond; then a third one ends it. Two that come together count once: timeout(1) and some
// shells send a signal to a program and to its group, and it must not keep the program from removing its temporary files.
type interrupts struct {
	mu     sync.Mutex
	hook   func()
	hasten func() // is called instead of ending at once, one time
	last   func() // what is done before the program ends at once
}

// impatience counts signals until the program waits for nothing more.
type impatience struct {
	n    int
	last time.Time // the last one that counted came
}

// together is within what time two signals are one that was sent twice.
const together = 250 * time.Millisecond

// next reports whether the program is to end at once when a signal comes.
func (i *impatience) next(now time.Time) bool {
	if i.n > 0 && now.Sub(i.last) < together {
		return false
	}
	i.n, i.last = i.n+1, now
	return i.n > 1
}

// watch returns a context that signals cancel, and functions that cancel it and that end the watch.
func (i *interrupts) watch(parent context.Context) (ctx context.Context, cancel, stop func()) {
	ctx, cancel = context.WithCancel(parent)
	signal.Ignore(syscall.SIGPIPE) // a closed pipe is an error of Write, so that temporary files are removed
	signals := make(chan os.Signal, 3)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signal.Notify(signals, syscall.SIGHUP)
	}
	done := make(chan struct{})
	go func() {
		for n := (impatience{}); ; {
			select {
			case s := <-signals:
				if i.signalled(s, &n, time.Now(), cancel) {
					i.cleanUp()
					fmt.Fprintln(os.Stderr, "st: interrupted, and ended at once")
					os.Exit(exitInterrupted)
				}
			case <-done:
				signal.Stop(signals)
				return
			}
		}
	}()
	return ctx, cancel, func() { close(done) }
}

// signalled does what a signal asks for, and reports whether the program is to end at once.
func (i *interrupts) signalled(s os.Signal, n *impatience, now time.Time, cancel func()) bool {
	if s == os.Interrupt && i.handled() {
		return false
	}
	cancel()
	return n.next(now) && !i.hastened()
}

// handle has f called on SIGINT instead of cancelling the context, until it is called with nil.
func (i *interrupts) handle(f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.hook = f
}

// onSecond has f called on a second signal instead of ending the program at once, until it is called with nil.
func (i *interrupts) onSecond(f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.hasten = f
}

// hastened calls the function given to onSecond, if there is one that was not called yet.
func (i *interrupts) hastened() bool {
	i.mu.Lock()
	f := i.hasten
	i.hasten = nil
	i.mu.Unlock()
	if f != nil {
		f()
	}
	return f != nil
}

// beforeExit has f called before signals end the program at once, until it is called with nil.
func (i *interrupts) beforeExit(f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.last = f
}

func (i *interrupts) cleanUp() {
	i.mu.Lock()
	last := i.last
	i.mu.Unlock()
	if last != nil {
		last()
	}
}

// handled calls the function given to handle, if there is one.
func (i *interrupts) handled() bool {
	i.mu.Lock()
	hook := i.hook
	i.mu.Unlock()
	if hook != nil {
		hook()
	}
	return hook != nil
}
