// Package outfile writes output files that are complete or not there. A file is written under a temporary name beside its place, and
// Commit brings it to the disk and gives it its name. Whatever happens before, nothing is left under that name, and an older file of the
// name stays as it was.
//
//	f, err := outfile.Create("model.stm", outfile.Options{})
//	if err != nil { … }
//	defer f.Abort() // removes the temporary file, unless it was committed
//	if _, err := f.Write(data); err != nil { … }
//	err = f.Commit()
//
// or, in one call, [Write].
//
// A temporary file is called NAME.PID-N.tmp, with the number of the process that writes it, which also holds its lock. Create removes
// those of the same name whose process has ended, and refuses to write what another one is writing. A [Partial] is another kind of
// temporary file: one that a later process goes on with.
//
// Errors name the file, never the temporary one, and wrap what the operating system said. They say nothing of flags: the sentinel errors
// tell what can be done.
package outfile
