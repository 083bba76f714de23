package outfile

import (
	"os"

	"golang.org/x/sys/windows"
)

// lockedToTheEnd: no file can be renamed while it is open, so for a moment it is not locked.
const lockedToTheEnd = false

// alive reports whether there is a process of that number.
func alive(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	p.Release()
	return true
}

// syncDir: a rename is durable without it.
func syncDir(string) error { return nil }

// renameNew is os.Rename that does not replace a file.
func renameNew(from, to string) error {
	a, err := windows.UTF16PtrFromString(from)
	if err != nil {
		return err
	}
	b, err := windows.UTF16PtrFromString(to)
	if err != nil {
		return err
	}
	return windows.MoveFileEx(a, b, windows.MOVEFILE_WRITE_THROUGH)
}
