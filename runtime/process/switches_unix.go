//go:build unix

package process

import "golang.org/x/sys/unix"

// Switches returns how often threads of the process gave a processor up because they waited, and how often the system took it from them; zeros
// where that is not known.
func Switches() (voluntary, involuntary int64) {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return 0, 0
	}
	return int64(usage.Nvcsw), int64(usage.Nivcsw)
}
