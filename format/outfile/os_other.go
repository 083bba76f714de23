//go:build !unix && !windows

package outfile

import "os"

// lockedToTheEnd: there are no locks here.
const lockedToTheEnd = true

// alive: who is there cannot be asked here, and the lock tells.
func alive(int) bool { return false }

func syncDir(string) error { return nil }

func renameNew(from, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return os.ErrExist
	}
	return os.Rename(from, to)
}
