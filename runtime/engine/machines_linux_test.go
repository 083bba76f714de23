package engine

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// machines are what /sys and /proc say of machines. A line is the name of a file, whose # stands for each CPU of a list, and the text in it.
var machines = []struct {
	name                       string
	processors, cores, threads int // CPUs, fast cores, and threads by default
	tree                       string
}{
	{"Core i9-14900: 8 fast cores of two threads, two of them favoured, and 16 efficiency cores", 32, 8, 8, `
sys/devices/cpu_core/cpus                                     0-15
sys/devices/cpu_atom/cpus                                     16-31
sys/devices/system/cpu/cpu#/topology/thread_siblings_list     0-1=0-1 2-3=2-3 4-5=4-5 6-7=6-7 8-9=8-9 10-11=10-11 12-13=12-13 14-15=14-15 16-31=#
sys/devices/system/cpu/cpu#/cpufreq/cpuinfo_max_freq          0-7=5400000 8-11=5800000 12-15=5400000 16-31=4300000
proc/self/cgroup                                              0::/user.slice/user-1000.slice/session-2.scope
sys/fs/cgroup/user.slice/cpu.max                              max 100000`},
	{"the same with an older kernel that does not tell the kinds", 32, 8, 8, `
sys/devices/system/cpu/cpu#/topology/thread_siblings_list     0-1=0-1 2-3=2-3 4-5=4-5 6-7=6-7 8-9=8-9 10-11=10-11 12-13=12-13 14-15=14-15 16-31=#
sys/devices/system/cpu/cpu#/cpufreq/cpuinfo_max_freq          0-7=5400000 8-11=5800000 12-15=5400000 16-31=4300000`},
	{"N100: four efficiency cores alone", 4, 4, 4, `
sys/devices/system/cpu/cpu#/topology/thread_siblings_list     0-3=#
sys/devices/system/cpu/cpu#/cpufreq/cpuinfo_max_freq          0-3=3400000`},
	{"Core i5-1240P: 4 fast cores of two threads, 8 efficiency cores", 16, 4, 4, `
sys/devices/cpu_core/cpus                                     0-7
sys/devices/cpu_atom/cpus                                     8-15
sys/devices/system/cpu/cpu#/topology/thread_siblings_list     0-1=0-1 2-3=2-3 4-5=4-5 6-7=6-7 8-15=#
sys/devices/system/cpu/cpu#/cpufreq/cpuinfo_max_freq          0-7=4400000 8-15=3300000`},
	{"Core Ultra 7 155H: 6 fast cores, 8 efficiency cores, 2 of low power", 22, 6, 6, `
sys/devices/cpu_core/cpus                                     0-11
sys/devices/cpu_atom/cpus                                     12-19
sys/devices/cpu_lowpower/cpus                                 20-21
sys/devices/system/cpu/cpu#/topology/thread_siblings_list     0-1=0-1 2-3=2-3 4-5=4-5 6-7=6-7 8-9=8-9 10-11=10-11 12-21=#`},
	{"Core i7-1265U: 2 fast cores of two threads, 8 efficiency cores", 12, 2, 2, `
sys/devices/cpu_core/cpus                                     0-3
sys/devices/cpu_atom/cpus                                     4-11
sys/devices/system/cpu/cpu#/topology/thread_siblings_list     0-1=0-1 2-3=2-3 4-11=#`},
	{"Core Ultra 7 258V: 4 fast cores, 4 of low power, one thread each", 8, 4, 4, `
sys/devices/cpu_core/cpus                                     0-3
sys/devices/cpu_atom/cpus                                     4-7
sys/devices/system/cpu/cpu#/topology/thread_siblings_list     0-7=#`},
	{"4 fast cores, 4 efficiency cores and 2 of low power, in one list", 14, 4, 4, `
sys/devices/cpu_core/cpus                                     0-7
sys/devices/cpu_atom/cpus                                     8-13
sys/devices/system/cpu/cpu#/topology/thread_siblings_list     0-1=0-1 2-3=2-3 4-5=4-5 6-7=6-7 8-13=#`},
	{"Apple M1 under Linux: 4 efficiency cores, 4 fast ones", 8, 4, 4, `
sys/devices/system/cpu/cpu#/topology/thread_siblings_list     0-7=#
sys/devices/system/cpu/cpu#/cpu_capacity                      0-3=459 4-7=1024`},
	{"RK3588: 4 Cortex-A55, 4 Cortex-A76", 8, 4, 4, `
sys/devices/system/cpu/cpu#/topology/thread_siblings_list     0-7=#
sys/devices/system/cpu/cpu#/cpu_capacity                      0-3=414 4-5=1024 6-7=1011
sys/devices/system/cpu/cpu#/cpufreq/cpuinfo_max_freq          0-3=1800000 4-5=2400000 6-7=2352000
proc/self/cgroup                                              0::/`},
	{"a virtual machine of 4 CPUs, two threads a core, and a container with 1.5 of them", 4, 2, 2, `
sys/devices/system/cpu/cpu#/topology/thread_siblings_list     0-1=0-1 2-3=2-3
proc/self/cgroup                                              0::/
sys/fs/cgroup/cpu.max                                         150000 100000`},
	{"a virtual machine of 8 CPUs that are cores, with a quota of 1.5 by version 1", 8, 8, 2, `
sys/devices/system/cpu/cpu#/topology/thread_siblings_list     0-7=#
proc/self/cgroup                                              5:cpu,cpuacct:/docker/4f1d
sys/fs/cgroup/cpu/cpu.cfs_quota_us                            150000
sys/fs/cgroup/cpu/cpu.cfs_period_us                           100000`},
	{"a server of 16 cores, whose second threads come after all first ones", 32, 16, 16, `
sys/devices/system/cpu/cpu#/topology/thread_siblings_list     0=0,16 1=1,17 2=2,18 3=3,19 4=4,20 5=5,21 6=6,22 7=7,23 8=8,24 9=9,25 10=10,26 11=11,27 12=12,28 13=13,29 14=14,30 15=15,31 16=0,16 17=1,17 18=2,18 19=3,19 20=4,20 21=5,21 22=6,22 23=7,23 24=8,24 25=9,25 26=10,26 27=11,27 28=12,28 29=13,29 30=14,30 31=15,31`},
	{"a sandbox that shows nothing", 6, 0, 6, ``},
}

// The default number of threads of machines that differ.
func TestMachines(t *testing.T) {
	for _, m := range machines {
		t.Run(m.name, func(t *testing.T) {
			dir := t.TempDir()
			for line := range strings.Lines(m.tree) {
				name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
				text = strings.TrimSpace(text)
				if !strings.Contains(name, "#") {
					put(t, dir, name, text)
					continue
				}
				for _, part := range strings.Fields(text) {
					list, value, _ := strings.Cut(part, "=")
					from, to, isRange := strings.Cut(list, "-")
					if !isRange {
						to = from
					}
					a, _ := strconv.Atoi(from)
					b, _ := strconv.Atoi(to)
					for cpu := a; cpu <= b; cpu++ {
						n := strconv.Itoa(cpu)
						put(t, dir, strings.ReplaceAll(name, "#", n), strings.ReplaceAll(value, "#", n))
					}
				}
			}
			var cpus []int
			for cpu := range m.processors {
				cpus = append(cpus, cpu)
			}
			cores := sysfs(filepath.Join(dir, "sys")).cores(cpus)
			if cores != m.cores {
				t.Errorf("%d fast cores, want %d", cores, m.cores)
			}
			quota := kernelFiles{filepath.Join(dir, "proc"), filepath.Join(dir, "sys/fs/cgroup")}.quota()
			if n := defaultThreads(m.processors, cores, quota); n != m.threads {
				t.Errorf("%d threads with a quota of %g, want %d", n, quota, m.threads)
			}
		})
	}
}

// put writes a file of the kernel's.
func put(t *testing.T, dir, name, text string) {
	t.Helper()
	if name == "" {
		return
	}
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}
