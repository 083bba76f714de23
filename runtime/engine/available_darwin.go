package engine

import "golang.org/x/sys/unix"

// AddressSpace is empty: this system has no such limit.
const AddressSpace = ""

// AllowedMemory returns three quarters of the machine's memory, and where the number comes from; 0 if it is not known. What other programs take of it is told
// through Mach calls alone, which need cgo: a model that is larger than that could not stay in memory in any case.
func AllowedMemory() (bytes int64, from string) {
	total, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return 0, ""
	}
	return int64(total / 4 * 3), "the system"
}

// MemoryPressure is not known here.
func MemoryPressure() Pressure { return Pressure{} }
