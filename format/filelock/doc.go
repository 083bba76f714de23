// Package filelock locks open files against other processes, and against other openings of the file in this one. The locks are advisory:
// only those who ask for one are kept out. The operating system drops a lock when the file is closed or the process ends.
//
//	ok, err := filelock.TryLock(f)
//	switch {
//	case errors.Is(err, filelock.ErrUnsupported): // go on without a lock
//	case err == nil && !ok: // somebody has it
//	}
package filelock
