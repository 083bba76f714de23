//go:build !linux

package runtime

// AvailableMemory is not known here.
func AvailableMemory() (bytes int64, from string) { return 0, "" }
