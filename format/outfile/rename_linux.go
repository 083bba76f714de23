package outfile

import (
	"errors"

	"golang.org/x/sys/unix"
)

// renameNew is os.Rename that does not replace a file.
func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return linkNew(from, to) // a file system, or a kernel, that cannot do it
	}
	return err
}
