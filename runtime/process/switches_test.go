//go:build linux

package process

import (
	"testing"

	"golang.org/x/sys/unix"
)

// A thread that waits in the kernel gives its processor up.
func TestSwitches(t *testing.T) {
	var pipe [2]int
	if err := unix.Pipe(pipe[:]); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	before, _ := Switches()
	for {
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(pipe[0]), Events: unix.POLLIN}}, 1); err != nil && err != unix.EINTR {
			t.Fatal(err)
		}
		if after, _ := Switches(); after > before {
			return
		}
	}
}
