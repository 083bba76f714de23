package experts

import (
	"errors"
	"fmt"

	"st/format/outfile"
)

// ErrTraceExists says that a trace's file exists: traces replace nothing.
var ErrTraceExists = errors.New("the trace exists")

// TraceFile is a trace that a run writes to a file. The file has its name when it is complete.
type TraceFile struct {
	path   string
	file   *outfile.File
	w      *TraceWriter
	tokens int  // that were written
	failed bool // to write: the last line may be cut
}

// CreateTrace begins a trace. The path must be free.
func CreateTrace(path string, shape Shape) (*TraceFile, error) {
	f, err := outfile.Create(path, outfile.Options{})
	if err != nil {
		return nil, traceError(err, "")
	}
	t := &TraceFile{path: path, file: f}
	if t.w, err = NewTraceWriter(f, shape); err != nil {
		t.Abort()
		return nil, err
	}
	return t, nil
}

// Leftovers returns temporary files of traces of the same name that were removed, since their process has ended.
func (t *TraceFile) Leftovers() []outfile.Leftover { return t.file.Leftovers() }

// Batch writes what the tokens of a batch chose.
func (t *TraceFile) Batch(b Batch) error {
	t.tokens += b.N
	if err := t.w.Batch(b); err != nil {
		t.failed = true
		return err
	}
	return nil
}

// Close gives the trace its name, which must still be free: another run may have taken it meanwhile. Of a run without tokens there is no
// trace, nor of one that could not be written.
func (t *TraceFile) Close() error {
	if t.tokens == 0 || t.failed {
		t.Abort()
		return nil
	}
	return traceError(t.file.Commit(), ": another run made it meanwhile, and the trace of this one is dropped")
}

// Abort drops the trace.
func (t *TraceFile) Abort() { t.file.Abort() }

// traceError makes an error about a file that exists an [ErrTraceExists].
func traceError(err error, why string) error {
	if errors.Is(err, outfile.ErrExists) {
		return &traceExists{fmt.Sprint(err, why)}
	}
	return err
}

type traceExists struct{ text string }

func (e *traceExists) Error() string { return e.text }
func (e *traceExists) Unwrap() error { return ErrTraceExists }
