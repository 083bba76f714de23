package process

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

var getProcessMemoryInfo = windows.NewLazySystemDLL("kernel32.dll").NewProc("K32GetProcessMemoryInfo")

// PeakRSS returns the most memory that the process ever had resident, mapped weights counted in; 0 if it is not known.
func PeakRSS() int64 {
	// PROCESS_MEMORY_COUNTERS of psapi.h.
	var counters struct {
		size, pageFaults        uint32
		peakWorkingSet, working uintptr
		_                       [6]uintptr
	}
	counters.size = uint32(unsafe.Sizeof(counters))
	ok, _, _ := getProcessMemoryInfo.Call(uintptr(windows.CurrentProcess()), uintptr(unsafe.Pointer(&counters)),
		uintptr(counters.size))
	if ok == 0 {
		return 0
	}
	return int64(counters.peakWorkingSet)
}

// currentRSS is not known here.
func currentRSS() int64 { return 0 }
