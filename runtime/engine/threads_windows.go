package engine

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

var getLogicalProcessorInformationEx = windows.NewLazySystemDLL("kernel32.dll").NewProc("GetLogicalProcessorInformationEx")

// physicalCores counts the fast cores; 0 if Windows does not tell.
func physicalCores() int {
	const processorCore = 0
	var size uint32
	// The first call tells how much room is needed, and fails.
	getLogicalProcessorInformationEx.Call(processorCore, 0, uintptr(unsafe.Pointer(&size)))
	if size == 0 || size > 1<<24 {
		return 0
	}
	records := make([]byte, size)
	ok, _, _ := getLogicalProcessorInformationEx.Call(processorCore, uintptr(unsafe.Pointer(&records[0])), uintptr(unsafe.Pointer(&size)))
	if ok == 0 || int(size) > len(records) {
		return 0
	}
	return countCores(records[:size])
}
