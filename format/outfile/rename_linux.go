package outfile

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// renameNew is os.Rename that does not replace a file. A file system, a kernel or a sandbox that cannot do it in one step says so with
// one of many errors.
func renameNew(from, to string) error {
	err := renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if err == nil || errors.Is(err, os.ErrExist) {
		return err
	}
	return linkNew(from, to)
}

// renameat2 may be refused; tests put another in its place.
var renameat2 = unix.Renameat2
