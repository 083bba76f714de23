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

// syncDir makes a rename in the directory durable. File systems that cannot sync a directory need it not.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return nil // a directory that can be written to and not read
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTSUP) && !errors.Is(err, unix.EROFS) {
		return err
	}
	return nil
}

// linkNew gives a file another name, which must be free, and takes the first. File systems without links have it checked, which leaves a
// moment for another process: there is no better way on them.
func linkNew(from, to string) error {
	err := os.Link(from, to)
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
