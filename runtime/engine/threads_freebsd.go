package engine

import "golang.org/x/sys/unix"

// physicalCores returns the number of cores; 0 if the kernel does not tell.
func physicalCores() int {
	n, err := unix.SysctlUint32("kern.smp.cores")
	if err != nil {
		return 0
	}
	return int(n)
}
