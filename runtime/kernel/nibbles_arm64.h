// Q4_0 weights as floats: what an including file shares with others.

// tops: the upper bytes of the bfloat16 numbers -8 to 7, and nexts: the lower ones. A bfloat16 is the upper half of a float32.
DATA tops<>+0(SB)/8, $0xbfc0c0c0c0c0c0c1
DATA tops<>+8(SB)/8, $0x4040404040403f00
GLOBL tops<>(SB), RODATA|NOPTR, $16
DATA nexts<>+0(SB)/8, $0x80004080a0c0e000
DATA nexts<>+8(SB)/8, $0xe0c0a08040008000
GLOBL nexts<>(SB), RODATA|NOPTR, $16

// LOADTABLES sets the registers that FLOATS uses, and V9 to the mask of low nibbles; t is scratch.
#define LOADTABLES(t) \
	MOVD  $nexts<>(SB), t;  \
	FMOVQ (t), F28;         \
	MOVD  $tops<>(SB), t;   \
	FMOVQ (t), F29;         \
	VMOVI $15, V9.B16;      \
	ZERO(8)

// FLOATS makes float32 numbers, less 8 each, in registers f to f+3, of 16 nibbles in q. V24-V27 are scratch.
#define FLOATS(q, f) \
	TBL(24, 28, q);         \
	TBL(25, 29, q);         \
	ZIP1B(26, 24, 25);      \
	ZIP2B(27, 24, 25);      \
	ZIP1H(f, 8, 26);        \
	ZIP2H(f+1, 8, 26);      \
	ZIP1H(f+2, 8, 27);      \
	ZIP2H(f+3, 8, 27)
