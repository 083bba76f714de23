//go:build unix

package format

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// umask returns the process's file-mode creation mask. The only way to read it is to set it.
func umask() os.FileMode {
	mask := unix.Umask(0o077)
	unix.Umask(mask)
	return os.FileMode(mask)
}

// syncDir makes a rename in the directory durable. File systems that cannot sync a directory need it not.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !isUnsupported(err) {
		return err
	}
	return nil
}

func isUnsupported(err error) bool {
	pe, ok := err.(*os.PathError)
	return ok && (pe.Err == syscall.EINVAL || pe.Err == syscall.ENOTSUP)
}
