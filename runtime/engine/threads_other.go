//go:build !linux && !darwin && !windows && !freebsd

package engine

// physicalCores: not known here. OpenBSD uses one thread of a core unless it is told otherwise, so that its CPUs are cores.
func physicalCores() int { return 0 }
