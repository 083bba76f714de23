package engine

import (
	"os"
	"path"
	"strconv"
	"strings"
)

// cpuQuota returns how many processors' time the process's control groups allow; 0: there is no limit.
func cpuQuota() float64 { return kernelFiles{"/proc", "/sys/fs/cgroup"}.quota() }

// quota returns the smallest quota of the process's control groups and those that they are in, of versions 1 and 2.
func (k kernelFiles) quota() (least float64) {
	for _, g := range k.groupsOf("cpu") {
		var allowed, period float64
		if g.unified {
			text, err := os.ReadFile(path.Join(g.dir, "cpu.max")) // "150000 100000", or "max 100000"
			fields := strings.Fields(string(text))
			if err != nil || len(fields) != 2 {
				continue
			}
			allowed, _ = strconv.ParseFloat(fields[0], 64)
			period, _ = strconv.ParseFloat(fields[1], 64)
		} else {
			a, _ := number(path.Join(g.dir, "cpu.cfs_quota_us")) // -1: none
			p, _ := number(path.Join(g.dir, "cpu.cfs_period_us"))
			allowed, period = float64(a), float64(p)
		}
		if allowed > 0 && period > 0 && (least == 0 || allowed/period < least) {
			least = allowed / period
		}
	}
	return least
}
