// Constants and macros that several AVX2 kernels share.

// nibble: the low nibble of every byte.
DATA nibble<>+0(SB)/8, $0x0f0f0f0f0f0f0f0f
GLOBL nibble<>(SB), RODATA|NOPTR, $8

// ones: words of 1.
DATA ones<>+0(SB)/8, $0x0001000100010001
GLOBL ones<>(SB), RODATA|NOPTR, $8

// flip8: the top bit of every byte.
DATA flip8<>+0(SB)/8, $0x8080808080808080
GLOBL flip8<>(SB), RODATA|NOPTR, $8

// UNPACK parts the nibbles of lo: the low ones stay, the high ones go to hi. Y15 is nibble.
#define UNPACK(lo, hi) \
	VPSRLW $4, lo, hi;  \
	VPAND  Y15, lo, lo; \
	VPAND  Y15, hi, hi

// HSUM adds up the eight floats of y, whose low half is x, into the lowest; t is scratch.
#define HSUM(y, x, t) \
	VEXTRACTF128 $1, y, t; \
	VADDPS       t, x, x;  \
	VHADDPS      x, x, x;  \
	VHADDPS      x, x, x
