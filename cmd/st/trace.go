package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"st/runtime/engine"
	"st/runtime/experts"
)

// traceFile is the trace that a run writes. It takes its name when the model is closed.
type traceFile struct {
	path   string
	temp   *os.File
	w      *experts.TraceWriter
	tokens int  // that were written
	failed bool // to write: the last line may be cut
}

// newTraceFile begins a trace, and has the engine tell it what it routes.
func newTraceFile(path string, shape experts.Shape, opts *engine.Options) (*traceFile, error) {
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("%s exists: remove it, or write the trace to another file", path)
	}
	f, err := os.OpenFile(fmt.Sprintf("%s.%d.tmp", path, os.Getpid()), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", path, cause(err))
	}
	t := &traceFile{path: path, temp: f}
	if t.w, err = experts.NewTraceWriter(f, shape); err != nil {
		t.abort()
		return nil, err
	}
	opts.Trace = func(n int, experts []int32) error {
		t.tokens += n
		if err := t.w.Batch(n, experts); err != nil {
			t.failed = true
			return fmt.Errorf("write %s: %w", path, cause(err))
		}
		return nil
	}
	return t, nil
}

// close gives the trace its name, which must still be free: another run may have taken it meanwhile. Of a run without tokens
// there is no trace, nor of one that could not be written.
func (t *traceFile) close() error {
	if t.tokens == 0 || t.failed {
		t.abort()
		return nil
	}
	err := t.temp.Close()
	if err == nil {
		err = renameNew(t.temp.Name(), t.path)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		err = fmt.Errorf("%s exists: another run made it meanwhile, and the trace of this one is dropped; write it to another file", t.path)
	default:
		err = fmt.Errorf("write %s: %w", t.path, cause(err))
	}
	os.Remove(t.temp.Name())
	return err
}

// renameNew is os.Rename that does not replace a file. It takes the name first, so that no other run gets it.
func renameNew(from, to string) error {
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	if err = f.Close(); err == nil {
		err = os.Rename(from, to)
	}
	if err != nil {
		os.Remove(to)
	}
	return err
}

// sameName reports whether two names are of the same file, which need not exist.
func sameName(a, b string) bool {
	absA, errA := filepath.Abs(a)
	absB, errB := filepath.Abs(b)
	return a != "" && b != "" && errA == nil && errB == nil && absA == absB
}

func (t *traceFile) abort() {
	t.temp.Close()
	os.Remove(t.temp.Name())
}
