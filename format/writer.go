package format

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/zeebo/xxh3"

	"st/format/outfile"
)

// CreateOptions change how [Create] works; the zero value is the normal way.
type CreateOptions struct {
	// Force allows an existing file to be replaced, at Commit and not before.
	Force bool
	// Inputs are files that the model is made from: the target must be none of them.
	Inputs []string
	// Create opens the file that is written to; nil does that on disk. Tests put a full disk behind it.
	Create func(path string) (OutFile, error)
}

// Writer writes one model file, which appears at Commit: see package outfile.
type Writer struct {
	path string
	file *outfile.File
	buf  *buffered
	*layout
	current int // record that is being written
	written int64
	hash    *xxh3.Hasher
	err     error // the first write error; nothing is written after it
}

// Create begins a file with the given metadata and records, whose Offset, Length and Checksum the Writer fills in: a record
// is as long as its tensors reach, rounded up to its alignment. Records must come dense part first.
func Create(path string, meta Meta, records []Record, opts CreateOptions) (*Writer, error) {
	l, err := newLayout(meta, records)
	if err != nil {
		return nil, err
	}
	w := &Writer{path: path, layout: l, hash: xxh3.New()}
	if w.file, err = outfile.Create(path, outfile.Options{Replace: opts.Force, Inputs: opts.Inputs, Open: opts.Create}); err != nil {
		return nil, err
	}
	w.buf = &buffered{file: w.file}
	w.writeMeta(w.raw)
	if w.err != nil {
		w.Abort()
		return nil, w.err
	}
	return w, nil
}

// Records returns the records with their places; the slice is the one given to [Create].
func (w *Writer) Records() []Record { return w.records }

// DataBytes returns the bytes of all records together: what Write must be given.
func (w *Writer) DataBytes() int64 {
	var n int64
	for i := range w.records {
		n += w.records[i].Length
	}
	return n
}

// Write appends to the data: all records' bytes, padding counted in, one after the other. An error is final.
func (w *Writer) Write(p []byte) (int, error) {
	n := 0
	for len(p) > 0 && w.err == nil {
		if w.current == len(w.records) {
			return n, fmt.Errorf("write %s: more data than its records hold", w.path)
		}
		r := &w.records[w.current]
		part := p[:min(int64(len(p)), r.Length-w.written)]
		w.hash.Write(part)
		w.raw(part, r.Offset+w.written)
		w.written += int64(len(part))
		n += len(part)
		p = p[len(part):]
		if w.written == r.Length {
			r.Checksum = w.hash.Sum64()
			w.hash.Reset()
			w.current, w.written = w.current+1, 0
		}
	}
	return n, w.err
}

// raw writes at an offset and keeps the first error.
func (w *Writer) raw(p []byte, at int64) {
	if w.err == nil {
		w.err = w.buf.writeAt(p, at)
	}
}

// Leftovers returns temporary files of the target that were removed, since their process has ended.
func (w *Writer) Leftovers() []outfile.Leftover { return w.file.Leftovers() }

// cause drops the name that a *PathError shows: the error around it names the file.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// Commit writes the rest of the metadata, makes sure that everything is on the disk and gives the file its name.
func (w *Writer) Commit(p Provenance) error {
	if w.err == nil && w.current != len(w.records) {
		w.err = fmt.Errorf("write %s: %s is incomplete", w.path, &w.records[w.current])
	}
	if _, err := w.writeEnd(p, w.raw); err != nil {
		return err
	}
	if w.err == nil {
		w.err = w.buf.flush()
	}
	if w.err != nil {
		w.Abort()
		return w.err
	}
	return w.file.Commit()
}

// Abort gives up: it removes the temporary file. It does nothing after a Commit, so that it can be deferred.
func (w *Writer) Abort() { w.file.Abort() }

// buffered gathers small sequential writes into large ones.
type buffered struct {
	file *outfile.File
	at   int64
	buf  []byte
}

const bufferSize = 1 << 20

func (b *buffered) writeAt(p []byte, at int64) error {
	if at != b.at+int64(len(b.buf)) || len(b.buf)+len(p) > bufferSize {
		if err := b.flush(); err != nil {
			return err
		}
		b.at = at
	}
	if len(p) >= bufferSize {
		b.at = at + int64(len(p))
		_, err := b.file.WriteAt(p, at)
		return err
	}
	b.buf = append(b.buf, p...)
	return nil
}

func (b *buffered) flush() error {
	_, err := b.file.WriteAt(b.buf, b.at)
	b.at += int64(len(b.buf))
	b.buf = b.buf[:0]
	return err
}
