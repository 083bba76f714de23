package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// physicalCores counts the cores behind the CPUs of the affinity mask; 0 if sysfs does not tell. Where there are cores of several kinds
// only the fast ones count: the others would hold every barrier up.
func physicalCores() int {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 0
	}
	var cpus []int
	for cpu := 0; len(cpus) < set.Count(); cpu++ {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return sysfs("/sys").cores(cpus)
}

// sysfs is the directory in which the kernel tells about processors.
type sysfs string

// cores counts the fast cores behind some CPUs, and all if one alone is fast; 0 if that is not known.
func (s sysfs) cores(cpus []int) int {
	return notAlone(s.count(s.fast(cpus)), s.count(cpus))
}

// count counts the cores behind some CPUs; 0 if that is not known.
func (s sysfs) count(cpus []int) int {
	cores := map[string]bool{}
	for _, cpu := range cpus {
		siblings, err := os.ReadFile(s.cpu(cpu, "topology/thread_siblings_list"))
		if err != nil {
			return 0
		}
		cores[strings.TrimSpace(string(siblings))] = true
	}
	return len(cores)
}

func (s sysfs) cpu(cpu int, file string) string {
	return filepath.Join(string(s), fmt.Sprintf("devices/system/cpu/cpu%d", cpu), file)
}

// fast returns those of some CPUs that are not efficiency cores, unless all are. Intel's hybrid processors have a performance monitor of
// each kind: cpu_core, cpu_atom and, for the slowest, cpu_lowpower. Others tell the capacity of a CPU, or its highest frequency: a fast one has at
// least three quarters of the best, so that the large cores beside a phone's largest one count, and its small ones do not.
func (s sysfs) fast(cpus []int) []int {
	efficient := slices.Concat(s.list("devices/cpu_atom/cpus"), s.list("devices/cpu_lowpower/cpus"))
	performance := s.list("devices/cpu_core/cpus")
	keep := func(cpu int) bool {
		return !slices.Contains(efficient, cpu) && (len(performance) == 0 || slices.Contains(performance, cpu))
	}
	if len(efficient)+len(performance) == 0 {
		speed := s.speeds(cpus, "cpu_capacity")
		if speed == nil {
			speed = s.speeds(cpus, "cpufreq/cpuinfo_max_freq")
		}
		best := 0
		for _, v := range speed {
			best = max(best, v)
		}
		keep = func(cpu int) bool { return 4*speed[cpu] >= 3*best }
	}
	var fast []int
	for _, cpu := range cpus {
		if keep(cpu) {
			fast = append(fast, cpu)
		}
	}
	if len(fast) == 0 {
		return cpus
	}
	return fast
}

// speeds returns a number of each CPU; nil if one does not have it.
func (s sysfs) speeds(cpus []int, file string) map[int]int {
	speeds := map[int]int{}
	for _, cpu := range cpus {
		text, err := os.ReadFile(s.cpu(cpu, file))
		if err != nil {
			return nil
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			return nil
		}
		speeds[cpu] = n
	}
	return speeds
}

// list reads a list of CPUs such as 0-3,8; nil if there is none.
func (s sysfs) list(file string) (cpus []int) {
	text, err := os.ReadFile(filepath.Join(string(s), file))
	if err != nil {
		return nil
	}
	for _, part := range strings.Split(strings.TrimSpace(string(text)), ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		a, errA := strconv.Atoi(from)
		b, errB := strconv.Atoi(to)
		if errA != nil || errB != nil || b-a > 1<<16 {
			return nil
		}
		for cpu := a; cpu <= b; cpu++ {
			cpus = append(cpus, cpu)
		}
	}
	return cpus
}
