package main

import (
	"io"
	"path/filepath"

	"st/format/outfile"
)

// checkOutput refuses an output file that exists, unless force, one that is an input, and a link, in whose place the file would
// come.
func checkOutput(path string, force bool, inputs ...string) error {
	return outfile.Check(path, outfile.Options{Replace: force, Inputs: inputs})
}

// writeFile has fill write a file, which gets its name when it is complete.
func (a *app) writeFile(path string, opts outfile.Options, fill func(w io.Writer) error) error {
	f, err := outfile.Create(path, opts)
	if err != nil {
		return err
	}
	defer f.Abort()
	a.noteLeftovers(f.Leftovers())
	if err := fill(f); err != nil {
		return err
	}
	return f.Commit()
}

// noteLeftovers tells of temporary files that were removed.
func (a *app) noteLeftovers(all []outfile.Leftover) {
	for _, l := range all {
		a.note("note: %s, %s that a run which was killed had left behind, was removed", l.Path, size(l.Bytes))
	}
}

// sameName reports whether two names are of the same file, which need not exist.
func sameName(a, b string) bool {
	return a != "" && b != "" && wholeName(a) == wholeName(b)
}

// wholeName returns the name of a file, which need not exist, without links to its directory.
func wholeName(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		path = filepath.Join(dir, filepath.Base(path))
	}
	return path
}
