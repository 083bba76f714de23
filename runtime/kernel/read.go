package kernel

// Read reads b as fast as the CPU does, but for its last bytes if they make no 64, and returns the sum of its eight-byte words, so the compiler cannot
// drop the loads. The speed of the other kernels is compared with it.
func Read(b []byte) uint64 { return read(b) }

// readGeneric is Read.
func readGeneric(b []byte) (sum uint64) {
	for ; len(b) >= 64; b = b[64:] {
		sum += le.Uint64(b) + le.Uint64(b[8:]) + le.Uint64(b[16:]) + le.Uint64(b[24:]) +
			le.Uint64(b[32:]) + le.Uint64(b[40:]) + le.Uint64(b[48:]) + le.Uint64(b[56:])
	}
	return sum
}
