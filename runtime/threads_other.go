//go:build !linux && !darwin

package runtime

// physicalCores: not known here.
func physicalCores() int { return 0 }
