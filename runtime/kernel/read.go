package kernel

// Read reads all of b, as fast as the CPU does, and returns the sum of its eight-byte words, so that nobody can say that it
// was not read. What is left over at the end of b is not read. It is what the speed of the other kernels compares with.
func Read(b []byte) uint64 { return read(b) }

// readGeneric is Read.
func readGeneric(b []byte) (sum uint64) {
	for ; len(b) >= 64; b = b[64:] {
		sum += le.Uint64(b) + le.Uint64(b[8:]) + le.Uint64(b[16:]) + le.Uint64(b[24:]) +
			le.Uint64(b[32:]) + le.Uint64(b[40:]) + le.Uint64(b[48:]) + le.Uint64(b[56:])
	}
	return sum
}
