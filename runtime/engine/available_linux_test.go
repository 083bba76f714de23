package engine

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The least that the system and the control groups allow counts, and no group allows more than its limit.
func TestAllowedMemory(t *testing.T) {
	const (
		system = "MemTotal: 9000 kB\nMemAvailable:    4000 kB\n"
		status = "VmRSS:\t  90 kB\nRssAnon:\t  50 kB\n"
		v1, v2 = "4:memory:/a/b\n0::/\n", "0::/a\n"
	)
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  int64
		from  string
	}{
		{"nothing is known", nil, 0, ""},
		{"no group", map[string]string{"proc/meminfo": system}, 4000 << 10, "the system"},
		{"what the process has", map[string]string{"proc/meminfo": system, "proc/self/status": status}, 4050 << 10, "the system"},
		{"a group without a limit", map[string]string{"proc/meminfo": system, "proc/self/cgroup": v2, "groups/a/memory.max": "max\n",
			"groups/a/memory.current": "1000\n"}, 4000 << 10, "the system"},
		{"a group of others too", map[string]string{"proc/meminfo": system, "proc/self/status": status, "proc/self/cgroup": v2,
			"groups/a/memory.max": "1000000\n", "groups/a/memory.current": "900000\n",
			"groups/a/memory.stat": "anon 600000\ninactive_file 200000\nactive_file 100000\n"}, 400000 + 50<<10, "its control group"},
		{"memory that is not charged to the group", map[string]string{"proc/meminfo": system, "proc/self/status": status, "proc/self/cgroup": v2,
			"groups/a/memory.max": "1000000\n", "groups/a/memory.current": "0\n"}, 1000000, "its control group"},
		{"a group that is full", map[string]string{"proc/self/cgroup": v2, "groups/a/memory.max": "1000\n",
			"groups/a/memory.current": "1200\n"}, 1, "its control group"},
		{"the group around it, version 1", map[string]string{"proc/meminfo": system, "proc/self/cgroup": v1,
			"groups/memory/a/b/memory.limit_in_bytes": "3000000\n", "groups/memory/a/b/memory.usage_in_bytes": "0\n",
			"groups/memory/a/memory.limit_in_bytes": "2000000\n", "groups/memory/a/memory.usage_in_bytes": "1500000\n",
			"groups/memory/a/memory.stat": "inactive_file 1\ntotal_inactive_file 1000000\n"}, 1500000, "its control group"},
		{"no limit of the address space", map[string]string{"proc/meminfo": system, "proc/self/status": status + "VmSize:\t 9 kB\n",
			"proc/self/limits": "Limit  Soft Limit  Hard Limit  Units\nMax address space         unlimited            unlimited            bytes     \n"},
			4050 << 10, "the system"},
		{"a limit of the address space", map[string]string{"proc/meminfo": "MemAvailable: 4000000 kB\n", "proc/self/status": status + "VmSize:\t 100000 kB\n",
			"proc/self/limits": "Limit  Soft Limit  Hard Limit  Units\nMax address space         1024000000           unlimited            bytes     \n"},
			1024000000 - 100000<<10 - 128<<20 + 50<<10, "ulimit -v"},
		{"an address space that is taken", map[string]string{"proc/self/status": "VmSize:\t 100000 kB\n",
			"proc/self/limits": "Max address space  102400000  102400000  bytes\n"}, 1, "ulimit -v"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.files {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			k := kernelFiles{filepath.Join(dir, "proc"), filepath.Join(dir, "groups")}
			if got, from := k.allowed(); got != tt.want || from != tt.from {
				t.Errorf("%d bytes by %q, want %d by %q", got, from, tt.want, tt.from)
			}
		})
	}
}

// How much is free is what the system or a group leaves, whichever is less, and tasks wait as long as the worst says.
func TestMemoryPressure(t *testing.T) {
	const system = "MemTotal: 9000 kB\nMemAvailable:    4000 kB\n"
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  Pressure
	}{
		{"nothing is known", nil, Pressure{}},
		{"the system", map[string]string{"proc/meminfo": system, "proc/self/status": "RssAnon:\t  50 kB\n", "proc/pressure/memory": "some avg10=0.00 avg60=0.03 avg300=0.00 total=45707283\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=6776734\n"},
			Pressure{Free: 4000 << 10, Limit: 9000 << 10, Own: 50 << 10, Stalled: 45707283 * time.Microsecond}},
		{"a group, version 2", map[string]string{"proc/meminfo": system, "proc/self/cgroup": "0::/a\n", "proc/pressure/memory": "some avg10=0 total=5\n",
			"groups/a/memory.max": "1000000\n", "groups/a/memory.high": "max\n", "groups/a/memory.current": "900000\n",
			"groups/a/memory.stat": "anon 600000\ninactive_file 200000\n", "groups/a/memory.pressure": "some avg10=0 total=77\nfull total=99\n"},
			Pressure{Free: 300000, Limit: 1000000, Group: 1000000, Stalled: 77 * time.Microsecond}},
		{"memory.high", map[string]string{"proc/meminfo": system, "proc/self/cgroup": "0::/a\n",
			"groups/a/memory.max": "max\n", "groups/a/memory.high": "800000\n", "groups/a/memory.current": "900000\n"},
			Pressure{Free: -100000, Limit: 800000, Group: 800000}},
		{"version 1, the group around it", map[string]string{"proc/meminfo": system, "proc/self/cgroup": "4:memory:/a/b\n",
			"groups/memory/a/b/memory.limit_in_bytes": "3000000\n", "groups/memory/a/b/memory.usage_in_bytes": "0\n",
			"groups/memory/a/memory.limit_in_bytes": "2000000\n", "groups/memory/a/memory.usage_in_bytes": "1500000\n"},
			Pressure{Free: 500000, Limit: 2000000, Group: 2000000}},
		{"a group with room in a system that has none", map[string]string{"proc/meminfo": "MemTotal: 9000 kB\nMemAvailable: 1 kB\n", "proc/self/cgroup": "4:memory:/a\n",
			"groups/memory/a/memory.limit_in_bytes": "3000000\n", "groups/memory/a/memory.usage_in_bytes": "0\n"},
			Pressure{Free: 1 << 10, Limit: 9000 << 10, Group: 3000000}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.files {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			if got := (kernelFiles{filepath.Join(dir, "proc"), filepath.Join(dir, "groups")}).pressure(); got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}
