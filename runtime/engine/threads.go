package engine

import goruntime "runtime"

// PhysicalCores returns the number of cores that the process may use, threads of one core counted once: the default number
// of threads, since the second thread of a core adds no memory bandwidth.
func PhysicalCores() int {
	// GOMAXPROCS knows the affinity mask and, on Linux, the cgroup's limit.
	n := goruntime.GOMAXPROCS(0)
	if c := physicalCores(); c > 0 {
		n = min(n, c)
	}
	return n
}
