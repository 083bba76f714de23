//go:build unix && !linux

package disk

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// device returns the number of a file's device.
func device(path string) (string, error) {
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		return "", &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return fmt.Sprintf("device=%d", s.Dev), nil
}
