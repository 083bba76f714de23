package engine

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// AddressSpace is empty: this system has no such limit.
const AddressSpace = ""

// AllowedMemory returns the bytes that the process can have without pushing others out, by the system's estimate, and where the number comes from; 0 if
// it is not known.
func AllowedMemory() (bytes int64, from string) {
	if free, _ := physicalMemory(); free > 0 {
		return free, "the system"
	}
	return 0, ""
}

// MemoryPressure returns how scarce memory is. How long tasks have waited for it, and what the process has itself, is not known here.
func MemoryPressure() (p Pressure) {
	p.Free, p.Limit = physicalMemory()
	return p
}

var globalMemoryStatus = windows.NewLazySystemDLL("kernel32.dll").NewProc("GlobalMemoryStatusEx")

// physicalMemory returns the bytes of memory that programs can take at once, pages of files that can be dropped counted in, and of all; 0: not known.
func physicalMemory() (free, total int64) {
	// MEMORYSTATUSEX of sysinfoapi.h.
	var status struct {
		length, load uint32
		total, free  uint64
		_            [5]uint64
	}
	status.length = uint32(unsafe.Sizeof(status))
	if ok, _, _ := globalMemoryStatus.Call(uintptr(unsafe.Pointer(&status))); ok == 0 {
		return 0, 0
	}
	return int64(status.free), int64(status.total)
}
