package main

import (
	"fmt"
	"os"

	"st/runtime"
	"st/runtime/cache"
)

// traceFile is the trace that a run writes. It takes its name when the model is closed.
type traceFile struct {
	path string
	temp *os.File
	w    *cache.TraceWriter
}

// newTraceFile begins a trace, and has the engine tell it what it routes.
func newTraceFile(path string, shape cache.Shape, opts *runtime.Options) (*traceFile, error) {
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("%s exists: remove it, or write the trace to another file", path)
	}
	f, err := os.OpenFile(fmt.Sprintf("%s.%d.tmp", path, os.Getpid()), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", path, cause(err))
	}
	t := &traceFile{path: path, temp: f}
	if t.w, err = cache.NewTraceWriter(f, shape); err != nil {
		t.abort()
		return nil, err
	}
	opts.Trace = func(n int, experts []int32) error {
		if err := t.w.Batch(n, experts); err != nil {
			return fmt.Errorf("write %s: %w", path, cause(err))
		}
		return nil
	}
	return t, nil
}

// close gives the trace its name.
func (t *traceFile) close() error {
	err := t.temp.Close()
	if err == nil {
		err = os.Rename(t.temp.Name(), t.path)
	}
	if err != nil {
		os.Remove(t.temp.Name())
		return fmt.Errorf("write %s: %w", t.path, cause(err))
	}
	return nil
}

func (t *traceFile) abort() {
	t.temp.Close()
	os.Remove(t.temp.Name())
}
