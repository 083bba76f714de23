//go:build unix

package outfile

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lockedToTheEnd: a file can be renamed while it is open, so that it is locked until it has its name.
const lockedToTheEnd = true

// alive reports whether there is a process of that number.
func alive(pid int) bool {
	err := unix.Kill(pid, 0)
	return err == nil || errors.Is(err, unix.EPERM)
}

// syncDir makes a rename in the directory durable. File systems that cannot sync a directory need it not, or nothing helps; the file is
// complete under its name.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return nil // a directory that can be written to and not read
	}
	defer d.Close()
	err = fsync(d)
	for _, refused := range []error{unix.EROFS, unix.EPERM, unix.EACCES, unix.EBADF, unix.EISDIR} {
		if errors.Is(err, refused) {
			return nil
		}
	}
	if err != nil && !CannotSync(err) {
		return err
	}
	return nil
}

// What file systems refuse; tests put others in their place.
var (
	fsync = (*os.File).Sync
	link  = os.Link
)

// linkNew gives a file another name, which must be free, and takes the first. File systems without links have it checked, which leaves a
// moment for another process: there is no better way on them.
func linkNew(from, to string) error {
	err := link(from, to)
	if err == nil {
		return os.Remove(from)
	}
	if errors.Is(err, os.ErrExist) {
		return err
	}
	if _, e := os.Lstat(to); e == nil {
		return os.ErrExist
	}
	return os.Rename(from, to)
}
