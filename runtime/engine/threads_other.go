//go:build !linux && !darwin

package engine

// physicalCores: not known here.
func physicalCores() int { return 0 }
