//go:build unix && !linux

package outfile

// renameNew is os.Rename that does not replace a file.
func renameNew(from, to string) error { return linkNew(from, to) }
