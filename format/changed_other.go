//go:build !unix

package format

import (
	"os"
	"time"
)

// sizeAndTime returns a file's size and when it was modified.
func sizeAndTime(f *os.File) (size int64, modified time.Time, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, time.Time{}, err
	}
	return info.Size(), info.ModTime(), nil
}
