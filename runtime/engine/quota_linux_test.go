package engine

import (
	"os"
	"path/filepath"
	"testing"
)

// Quotas of processor time, as control groups of both versions tell them.
func TestQuota(t *testing.T) {
	for _, tt := range []struct {
		name   string
		cgroup string            // /proc/self/cgroup
		files  map[string]string // in /sys/fs/cgroup
		want   float64
	}{
		{"none", "", nil, 0},
		{"version 2, no limit", "0::/user.slice\n", map[string]string{"user.slice/cpu.max": "max 100000\n"}, 0},
		{"version 2", "0::/system.slice/a.service\n", map[string]string{"system.slice/a.service/cpu.max": "150000 100000\n"}, 1.5},
		{"version 2, the group above has less", "0::/pod/box\n", map[string]string{"pod/cpu.max": "50000 100000\n", "pod/box/cpu.max": "200000 100000\n"}, 0.5},
		{"version 2, seen from a container", "0::/\n", map[string]string{"cpu.max": "250000 100000\n"}, 2.5},
		{"version 2, the host's path in a container", "0::/kubepods/pod1/box\n", map[string]string{"cpu.max": "100000 50000\n"}, 2},
		{"version 1", "4:memory:/box\n3:cpu,cpuacct:/box\n", map[string]string{"cpu/box/cpu.cfs_quota_us": "300000\n", "cpu/box/cpu.cfs_period_us": "200000\n"}, 1.5},
		{"version 1, no limit", "3:cpu,cpuacct:/\n", map[string]string{"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0},
		{"both", "3:cpu:/box\n0::/\n", map[string]string{"cpu/box/cpu.cfs_quota_us": "400000\n", "cpu/box/cpu.cfs_period_us": "100000\n"}, 4},
		{"another controller", "3:cpuset:/box\n", map[string]string{"cpuset/box/cpu.cfs_quota_us": "100000\n", "cpuset/box/cpu.cfs_period_us": "100000\n"}, 0},
		{"nonsense", "0::/\n", map[string]string{"cpu.max": "many\n"}, 0},
		{"no period", "0::/\n", map[string]string{"cpu.max": "100000 0\n"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			put := func(name, text string) {
				name = filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			put("proc/self/cgroup", tt.cgroup)
			for name, text := range tt.files {
				put("sys/"+name, text)
			}
			if got := (kernelFiles{filepath.Join(dir, "proc"), filepath.Join(dir, "sys")}).quota(); got != tt.want {
				t.Errorf("the quota is %g, want %g", got, tt.want)
			}
		})
	}
}
