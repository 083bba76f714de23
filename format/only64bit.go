//go:build 386 || arm || mips || mipsle

package format

// A model is mapped into memory as a whole and has numbers of bytes in an int: 32 bits are too few for both. A build for such a system ends with the
// name of what it lacks.
var _ = st_needs_a_64_bit_system
