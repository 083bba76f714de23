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
func writeFile(path string, force bool, fill func(w io.Writer) error) error {
	return outfile.Write(path, outfile.Options{Replace: force}, fill)
}

// sameName reports whether two names are of the same file, which need not exist.
func sameName(a, b string) bool {
	absA, errA := filepath.Abs(a)
	absB, errB := filepath.Abs(b)
	return a != "" && b != "" && errA == nil && errB == nil && absA == absB
}
