// What the AVX2 axpy kernels share.

// top and next: for each nibble q the highest byte and the one below of the
// float32 q-8; the two bytes that remain are zero.
DATA top<>+0(SB)/8, $0xbfc0c0c0c0c0c0c1
DATA top<>+8(SB)/8, $0x4040404040403f00
GLOBL top<>(SB), RODATA|NOPTR, $16
DATA next<>+0(SB)/8, $0x80004080a0c0e000
DATA next<>+8(SB)/8, $0xe0c0a08040008000
GLOBL next<>(SB), RODATA|NOPTR, $16

// upper: upper word of every long.
DATA upper<>+0(SB)/8, $0xffff0000ffff0000
GLOBL upper<>(SB), RODATA|NOPTR, $8

// AXPYTABLES loads what AXPYPAIR needs: Y15 nibble, Y14 top, Y13 next, Y12
// upper.
#define AXPYTABLES \
	VMOVDQU        nibble<>(SB), Y15; \
	VBROADCASTI128 top<>(SB), Y14;    \
	VBROADCASTI128 next<>(SB), Y13;   \
	VPBROADCASTQ   upper<>(SB), Y12

// AXPYWORDS adds s × the 16 floats whose upper halves are in words to y and
// 32 bytes on: even words, then odd words.
#define AXPYWORDS(words, s, y) \
	VPSLLD      $16, words, Y6;       \
	VPAND       Y12, words, words;    \
	VFMADD213PS (y+0)(DI), s, Y6;     \
	VFMADD213PS (y+32)(DI), s, words; \
	VMOVUPS     Y6, (y+0)(DI);        \
	VMOVUPS     words, (y+32)(DI)

// AXPYHALF adds s × the 32 values of the nibbles q to y(DI).
#define AXPYHALF(q, s, y) \
	VPSHUFB    q, Y14, Y2;   \
	VPSHUFB    q, Y13, Y3;   \
	VPUNPCKLBW Y2, Y3, Y4;   \
	VPUNPCKHBW Y2, Y3, Y5;   \
	AXPYWORDS(Y4, s, y);     \
	AXPYWORDS(Y5, s, y+64)

// AXPYPAIR adds the pair of blocks whose nibbles are in Y0 to y(DI). The
// scales of the span are in Y8 in pair order, pick chooses this pair's.
#define AXPYPAIR(pick, y) \
	VPSRLW    $4, Y0, Y1;     \
	VPAND     Y15, Y0, Y0;    \
	VPAND     Y15, Y1, Y1;    \
	VPERMILPS pick, Y8, Y7;   \
	AXPYHALF(Y0, Y7, y);      \
	AXPYHALF(Y1, Y7, y+128)
