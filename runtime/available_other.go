//go:build !linux

package runtime

// AllowedMemory is not known here.
func AllowedMemory() (bytes int64, from string) { return 0, "" }
