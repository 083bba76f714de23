//go:build !linux

package engine

// AllowedMemory is not known here.
func AllowedMemory() (bytes int64, from string) { return 0, "" }
