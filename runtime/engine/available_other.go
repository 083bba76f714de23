//go:build !linux && !windows && !darwin

package engine

// AddressSpace is empty: this system has no such limit.
const AddressSpace = ""

// AllowedMemory is not known here.
func AllowedMemory() (bytes int64, from string) { return 0, "" }

// MemoryPressure is not known here.
func MemoryPressure() Pressure { return Pressure{} }
