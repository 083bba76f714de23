//go:build !linux && !darwin && !windows

package main

// peakRSS is not known here.
func peakRSS() int64 { return 0 }

// currentRSS is not known here.
func currentRSS() int64 { return 0 }
