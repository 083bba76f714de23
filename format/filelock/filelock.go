package filelock

import (
	"errors"
	"os"
)

// ErrUnsupported is wrapped by errors about a file system, or an operating system, that has no locks.
var ErrUnsupported = errors.New("files cannot be locked here")

// Lock waits for the lock of a file, which may be a directory where the system allows that.
func Lock(f *os.File) error { return lock(f, true) }

// TryLock takes the lock of a file if nobody has it. ok is false if somebody has.
func TryLock(f *os.File) (ok bool, err error) {
	switch err := lock(f, false); {
	case err == nil:
		return true, nil
	case errors.Is(err, errLocked):
		return false, nil
	default:
		return false, err
	}
}

// Unlock gives the lock up.
func Unlock(f *os.File) error { return unlock(f) }

var errLocked = errors.New("the file is locked")
