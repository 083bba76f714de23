package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Threads of one core count once, and efficiency cores do not count beside fast ones.
func TestPhysicalCores(t *testing.T) {
	type cpu struct {
		siblings       string
		capacity, freq int // 0: no file
	}
	pairs := func(n int) (all []cpu) { // n cores of two threads each, as Linux numbers them on Intel
		for i := range 2 * n {
			all = append(all, cpu{siblings: fmt.Sprintf("%d,%d", i%n, i%n+n)})
		}
		return all
	}
	alone := func(first int, capacities ...int) (all []cpu) {
		for i, c := range capacities {
			all = append(all, cpu{siblings: fmt.Sprint(first + i), capacity: c})
		}
		return all
	}
	alderLake := pairs(4) // CPUs 0 to 7, and four efficiency cores
	alderLake = append(alderLake, alone(8, 0, 0, 0, 0)...)
	pentium := append(pairs(1), alone(2, 0, 0, 0, 0)...) // one performance core
	frequencies := []cpu{{"0", 0, 2400000}, {"1", 0, 2400000}, {"2", 0, 1500000}, {"3", 0, 1500000}}

	for _, tt := range []struct {
		name string
		cpus []cpu
		atom string
		mask []int // nil: all
		want int
	}{
		{"one thread a core", alone(0, 0, 0, 0), "", nil, 3},
		{"two threads a core", pairs(4), "", nil, 4},
		{"one thread of each of two cores", pairs(4), "", []int{1, 6}, 2},
		{"both threads of one core", pairs(4), "", []int{1, 5}, 1},
		{"favoured cores", alone(0, 1024, 1010, 990, 980), "", nil, 4},
		{"efficiency cores by the performance monitor", alderLake, "8-11\n", nil, 4},
		{"a list of single CPUs", alderLake, "8,9,10-11", nil, 4},
		{"efficiency cores alone", alderLake, "8-11", []int{8, 9, 10}, 3},
		{"one performance core", pentium, "2-5", nil, 5},
		{"one performance core alone", pentium, "2-5", []int{0, 1}, 1},
		{"one big, four little", alone(0, 400, 400, 400, 400, 1024), "", nil, 5},
		{"big and little", alone(0, 400, 400, 400, 400, 1024, 1024), "", nil, 2},
		{"prime, big and little", alone(0, 325, 325, 325, 855, 855, 855, 855, 1024), "", nil, 5},
		{"little ones alone", alone(0, 400, 400, 1024), "", []int{0, 1}, 2},
		{"by frequency", frequencies, "", nil, 2},
		{"without topology", []cpu{{}}, "", nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			put := func(name, text string) {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			var mask []int
			for i, c := range tt.cpus {
				mask = append(mask, i)
				at := fmt.Sprintf("devices/system/cpu/cpu%d/", i)
				if c.siblings != "" {
					put(at+"topology/thread_siblings_list", c.siblings+"\n")
				}
				if c.capacity > 0 {
					put(at+"cpu_capacity", fmt.Sprintln(c.capacity))
				}
				if c.freq > 0 {
					put(at+"cpufreq/cpuinfo_max_freq", fmt.Sprintln(c.freq))
				}
			}
			if tt.atom != "" {
				put("devices/cpu_atom/cpus", tt.atom)
			}
			if tt.mask != nil {
				mask = tt.mask
			}
			if got := sysfs(dir).cores(mask); got != tt.want {
				t.Errorf("%d cores, want %d", got, tt.want)
			}
		})
	}
}
