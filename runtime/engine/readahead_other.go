//go:build !unix

package engine

// readAhead does nothing: pages are read when they are touched.
func readAhead([]byte, int64, int64) {}

// leave does nothing: the system takes pages when it needs them.
func leave([]byte) {}
