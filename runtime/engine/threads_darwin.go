package engine

import "golang.org/x/sys/unix"

// physicalCores counts the performance cores where there are two kinds: the others would hold every barrier up.
func physicalCores() int {
	for _, name := range []string{"hw.perflevel0.physicalcpu", "hw.physicalcpu"} {
		if n, err := unix.SysctlUint32(name); err == nil {
			return int(n)
		}
	}
	return 0
}
