//go:build !linux && !darwin && !windows

package process

// PeakRSS is not known here.
func PeakRSS() int64 { return 0 }

// currentRSS is not known here.
func currentRSS() int64 { return 0 }
