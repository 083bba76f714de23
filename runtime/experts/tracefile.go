package experts

import "st/format/outfile"

// TraceFile is a trace that a run writes to a file. The file has its name when it is complete.
type TraceFile struct {
	file   *outfile.File
	w      *TraceWriter
	tokens int  // that were written
	failed bool // to write: the last line may be cut
}

// CreateTrace begins a trace. The path must be free, unless opts says that a file may be replaced.
func CreateTrace(path string, shape Shape, opts outfile.Options) (*TraceFile, error) {
	f, err := outfile.Create(path, opts)
	if err != nil {
		return nil, err
	}
	t := &TraceFile{file: f}
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

// Close gives the trace its name. It must still be free, unless a file may be replaced: another run may have taken it meanwhile. Of a run without tokens
// there is no trace, nor of one that could not be written.
func (t *TraceFile) Close() error {
	if t.tokens == 0 || t.failed {
		t.Abort()
		return nil
	}
	return t.file.Commit()
}

// Abort drops the trace.
func (t *TraceFile) Abort() { t.file.Abort() }
