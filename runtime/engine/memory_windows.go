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

var discardVirtualMemory = windows.NewLazySystemDLL("kernel32.dll").NewProc("DiscardVirtualMemory")

// discard gives the memory of the pages that lie within b back to the operating system. Their content is lost; the pages stay, so that writing to them needs
// nobody's leave. Windows before 8.1 only hears that it may take the memory.
func discard(b []byte) {
	const page = 4096
	at := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	from, to := (at+page-1)/page*page, (at+uintptr(len(b)))/page*page
	if from >= to {
		return
	}
	if discardVirtualMemory.Find() == nil {
		_, _, _ = discardVirtualMemory.Call(from, to-from)
		return
	}
	_, _ = windows.VirtualAlloc(from, to-from, windows.MEM_RESET, windows.PAGE_READWRITE)
}
