package engine

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

func mapMemory(n int) ([]byte, error) {
	at, err := windows.VirtualAlloc(0, uintptr(n), windows.MEM_RESERVE|windows.MEM_COMMIT, windows.PAGE_READWRITE)
	if err != nil {
		return nil, err
	}
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&at)), n), nil // vet takes no conversion of an address, which the heap might move; this one is not in it
}

func unmapMemory(b []byte) {
	_ = windows.VirtualFree(uintptr(unsafe.Pointer(unsafe.SliceData(b))), 0, windows.MEM_RELEASE)
}

// discard gives the pages that lie within b back to the operating system, and takes new ones, which need no memory before they are written to.
func discard(b []byte) {
	const page = 4096
	at := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	from, to := (at+page-1)/page*page, (at+uintptr(len(b)))/page*page
	if from >= to {
		return
	}
	if windows.VirtualFree(from, to-from, windows.MEM_DECOMMIT) == nil {
		_, _ = windows.VirtualAlloc(from, to-from, windows.MEM_COMMIT, windows.PAGE_READWRITE)
	}
}
