package outfile

import (
	"errors"

	"golang.org/x/sys/windows"
)

// lockedToTheEnd: no file can be renamed while it is open, so for a moment it is not locked.
const lockedToTheEnd = false

// alive reports whether there is a process of that number.
func alive(pid int) bool {
	h, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(pid))
	if err != nil {
		return errors.Is(err, windows.ERROR_ACCESS_DENIED) // somebody else's
	}
	defer windows.CloseHandle(h)
	// One that has ended is still there while another process has a handle of it.
	event, err := windows.WaitForSingleObject(h, 0)
	return err == nil && event == uint32(windows.WAIT_TIMEOUT)
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
