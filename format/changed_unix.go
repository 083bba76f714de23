//go:build unix

package format

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// sizeAndTime returns a file's size and when it was modified. Unlike Stat it allocates nothing: it is asked for every token.
func sizeAndTime(f *os.File) (size int64, modified time.Time, err error) {
	var s unix.Stat_t
	for {
		if err = unix.Fstat(int(f.Fd()), &s); err != unix.EINTR {
			break
		}
	}
	return s.Size, time.Unix(s.Mtim.Unix()), err
}
