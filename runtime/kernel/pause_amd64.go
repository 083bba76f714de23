//go:build !noasm

package kernel

// Pause tells the CPU that a loop waits for another thread.
func Pause()
