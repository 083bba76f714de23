// What the AVX2 kernels share. Pair order is that of pairedBlock.

// nibble: low nibble of every byte.
DATA nibble<>+0(SB)/8, $0x0f0f0f0f0f0f0f0f
DATA nibble<>+8(SB)/8, $0x0f0f0f0f0f0f0f0f
DATA nibble<>+16(SB)/8, $0x0f0f0f0f0f0f0f0f
DATA nibble<>+24(SB)/8, $0x0f0f0f0f0f0f0f0f
GLOBL nibble<>(SB), RODATA|NOPTR, $32

// ones: 16 words of 1.
DATA ones<>+0(SB)/8, $0x0001000100010001
DATA ones<>+8(SB)/8, $0x0001000100010001
DATA ones<>+16(SB)/8, $0x0001000100010001
DATA ones<>+24(SB)/8, $0x0001000100010001
GLOBL ones<>(SB), RODATA|NOPTR, $32

// order: shuffle that brings 8 scales into pair order.
DATA order<>+0(SB)/8, $0x0d0c090805040100
DATA order<>+8(SB)/8, $0x0f0e0b0a07060302
GLOBL order<>(SB), RODATA|NOPTR, $16

// UNPACK parts the nibbles of lo: the low ones stay, the high ones go to hi.
// Y15 is nibble.
#define UNPACK(lo, hi) \
	VPSRLW $4, lo, hi; \
	VPAND  Y15, lo, lo; \
	VPAND  Y15, hi, hi

// REDUCE turns the products of four pairs of blocks, 16 words each, into the
// 8 sums of a span in pair order, in a. Y14 is ones. Every intermediate sum
// fits a word: 16 × 15 × 127 = 30480.
#define REDUCE(a, b, c, d) \
	VPMADDWD  Y14, a, a; \
	VPMADDWD  Y14, b, b; \
	VPMADDWD  Y14, c, c; \
	VPMADDWD  Y14, d, d; \
	VPACKSSDW b, a, a;   \
	VPACKSSDW d, c, c;   \
	VPMADDWD  Y14, a, a; \
	VPMADDWD  Y14, c, c; \
	VPACKSSDW c, a, a;   \
	VPMADDWD  Y14, a, a

// HSUM adds up the lanes of y (whose low half is x) into its lowest; t is
// scratch.
#define HSUM(y, x, t) \
	VEXTRACTF128 $1, y, t; \
	VADDPS       t, x, x;  \
	VHADDPS      x, x, x;  \
	VHADDPS      x, x, x
