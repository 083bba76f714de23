//go:build !noasm

package kernel

func read(b []byte) uint64 {
	if !useAVX2 {
		return readGeneric(b)
	}
	return readAVX2(b)
}

// readAVX2 is readGeneric.
//
//go:noescape
func readAVX2(b []byte) uint64
