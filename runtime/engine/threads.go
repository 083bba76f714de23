package engine

import (
	"fmt"
	"math"
	goruntime "runtime"
	"slices"
)

// PhysicalCores returns the number of cores that the process may use, the threads of one core counted once and efficiency cores beside fast ones not
// at all, unless one core alone is fast: the default number of threads. The second thread of a core adds no memory bandwidth, and a slow core holds every barrier up.
//
// A quota of processor time, as of a container, is rounded: with 1.5 processors two threads that stop a quarter of the time do more than one, and with
// 1.2 they do not.
func PhysicalCores() int {
	// GOMAXPROCS knows the affinity mask.
	return defaultThreads(goruntime.GOMAXPROCS(0), physicalCores(), cpuQuota())
}

// defaultThreads is PhysicalCores for a number of processors, of fast cores, and a quota; 0: it is not known, or there is none.
func defaultThreads(processors, cores int, quota float64) int {
	n := processors
	if cores > 0 {
		n = min(n, cores)
	}
	if quota > 0 {
		n = min(n, int(quota+0.5))
	}
	return max(1, n)
}

// notAlone returns the number of fast cores, or of all if one alone is fast, as in a Pentium of one performance and four efficiency cores: without the
// others nothing would run beside it.
func notAlone(fast, all int) int {
	if fast == 1 {
		return all
	}
	return fast
}

// ThreadCandidates returns the numbers of threads that are worth trying, ascending: those of the fast cores, half of them, all processors, and numbers
// between.
func ThreadCandidates() []int {
	return candidates(goruntime.GOMAXPROCS(0), physicalCores(), cpuQuota())
}

// candidates returns five numbers at most: each takes its part of the time.
func candidates(processors, cores int, quota float64) []int {
	most := processors
	if quota > 0 {
		most = min(most, max(1, int(math.Ceil(quota))))
	}
	n := defaultThreads(processors, cores, quota)
	all := []int{n, (n + 1) / 2, (3*n + 3) / 4, most, (n + most) / 2}
	all = slices.DeleteFunc(all, func(n int) bool { return n < 1 || n > most })
	slices.Sort(all)
	return slices.Compact(all)
}

// Processors describes what the number of threads depends on, for people and to recognize it: how many processors and fast cores the process may use, and
// its quota of processor time.
func Processors() string {
	return fmt.Sprintf("processors=%d cores=%d quota=%.3f", goruntime.GOMAXPROCS(0), physicalCores(), cpuQuota())
}
