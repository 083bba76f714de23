//go:build !noasm && (amd64 || arm64)

package kernel

import "unsafe"

// decodeF32 copies: the file's byte order is this CPU's.
func decodeF32(dst []float32, src []byte) {
	copy(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(dst))), 4*len(dst)), src[:4*len(dst)])
}

// floats returns n numbers of an F32 row where they lie, or nil if they are not aligned.
func floats(row []byte, n int) []float32 {
	at := unsafe.Pointer(unsafe.SliceData(row[:4*n]))
	if uintptr(at)%4 != 0 {
		return nil
	}
	return unsafe.Slice((*float32)(at), n)
}
