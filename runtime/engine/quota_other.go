//go:build !linux

package engine

// cpuQuota knows no limits here.
func cpuQuota() float64 { return 0 }
