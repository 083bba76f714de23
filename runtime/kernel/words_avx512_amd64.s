//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "words_amd64.h"

// BLOCK adds a block, which lies at o in the rows at AX and CX of the tile, times the factors that f chooses of those in Z13, to sum0 and sum1. Choosing
// takes less than another load: the loop is bound by loads.
#define BLOCK(o, f, sum0, sum1) \
	VPSHUFD      $f, Z13, Z8;        \
	VMOVDQU64    (o)(SI)(AX*1), Z9;  \
	VMOVDQU64    (o)(SI)(CX*1), Z10; \
	VPUNPCKLWD   Z10, Z9, Z11;       \
	VPUNPCKHWD   Z10, Z9, Z12;       \
	VPDPWSSD     Z8, Z11, sum0;      \
	VPDPWSSD     Z8, Z12, sum1

// OUTWIDE is OUT for the block k, whose sums are in y0 and y1.
#define OUTWIDE(k, y0, y1) \
	VMULPS.BCST (4*k)(R14), Z15, Z8; \
	VCVTDQ2PS   y0, y0;              \
	VCVTDQ2PS   y1, y1;              \
	VMULPS      Z8, y0, y0;          \
	VMULPS      Z8, y1, y1;          \
	VADDPS      (128*k)(DI), y0, y0; \
	VADDPS      (128*k+64)(DI), y1, y1; \
	VMOVUPS     y0, (128*k)(DI);     \
	VMOVUPS     y1, (128*k+64)(DI)

// WHOLE adds the tile to a token's outputs, and prefetches lines from ahead on.
#define WHOLE \
	VBROADCASTSS (R12), Z15; \
	MOVQ   R8, BX;           \
	MOVQ   R9, R13;          \
	VPXORD Z0, Z0, Z0;       \
	VPXORD Z1, Z1, Z1;       \
	VPXORD Z2, Z2, Z2;       \
	VPXORD Z3, Z3, Z3;       \
	VPXORD Z4, Z4, Z4;       \
	VPXORD Z5, Z5, Z5;       \
	VPXORD Z6, Z6, Z6;       \
	VPXORD Z7, Z7, Z7;       \
pair: \
	MOVQ    (BX), CX;        \
	MOVL    CX, AX;          \
	SHRQ    $32, CX;         \
	VBROADCASTI32X4 (R13), Z13; \
	BLOCK(0, 0x00, Z0, Z1);   \
	BLOCK(64, 0x55, Z2, Z3);  \
	BLOCK(128, 0xaa, Z4, Z5); \
	BLOCK(192, 0xff, Z6, Z7); \
	ADDQ    $8, BX;          \
	ADDQ    $const_wordsOfPair, R13; \
	CMPQ    BX, DX;          \
	JNE     pair;            \
	OUTWIDE(0, Z0, Z1);      \
	OUTWIDE(1, Z2, Z3);      \
	OUTWIDE(2, Z4, Z5);      \
	OUTWIDE(3, Z6, Z7);      \
	MOVQ    lines+80(FP), CX; \
	TESTQ   CX, CX;          \
	JZ      done;            \
	MOVQ    ahead+72(FP), AX; \
line: \
	PREFETCHT1 (AX);         \
	ADDQ    $64, AX;         \
	DECQ    CX;              \
	JNZ     line;            \
	MOVQ    AX, ahead+72(FP); \
done: \

// func addWordsAVX512(y *float32, tile *int16, rows *int32, factors *byte, shares []share, units, tops *float32, ahead *byte, lines int)
TEXT ·addWordsAVX512(SB), NOSPLIT, $0-88
	TOKENS(WHOLE)

// SIXTEEN stores the factors of sixteen blocks. K1 has every other word.
#define SIXTEEN \
	VMULPS    (AX), Z0, Z2;    \
	VMULPS    (CX), Z1, Z3;    \
	VCVTPS2DQ Z2, Z2;          \
	VCVTPS2DQ Z3, Z3;          \
	VPSLLD    $16, Z3, Z3;     \
	VMOVDQU16 Z3, K1, Z2;      \
	VMOVDQU   X2, (SI);        \
	VEXTRACTI128 $1, Y2, (SI)(R10*1); \
	LEAQ      (SI)(R10*2), SI; \
	VEXTRACTI32X4 $2, Z2, (SI); \
	VEXTRACTI32X4 $3, Z2, (SI)(R10*1); \
	LEAQ      (SI)(R10*2), SI; \
	ADDQ      $64, AX;         \
	ADDQ      $64, CX

// func factorWordsAVX512(rows *int32, factors *byte, stride int, gates, dots *float32, weight float32, mask uint64, scales *float32, blocks int) (unit float32)
TEXT ·factorWordsAVX512(SB), NOSPLIT, $0-76
	MOVL  $0xaaaaaaaa, AX
	KMOVD AX, K1
	FACTORS

pair:
	NEXTPAIR
	VBROADCASTSS X0, Z0
	VBROADCASTSS X1, Z1
	SUBQ $16, R13
	JB   half

blocks:
	SIXTEEN
	SUBQ $16, R13
	JAE  blocks

half:
	ADDQ      $16, R13
	JZ        next
	VMULPS    (AX), Y0, Y2
	VMULPS    (CX), Y1, Y3
	VCVTPS2DQ Y2, Y2
	VCVTPS2DQ Y3, Y3
	VPSLLD    $16, Y3, Y3
	VMOVDQU16 Y3, K1, Y2
	VMOVDQU   X2, (SI)
	VEXTRACTI128 $1, Y2, (SI)(R10*1)

next:
	ADDQ  $const_wordsOfPair, R9
	TESTQ BX, BX
	JNZ   pair
	VZEROUPPER
	RET

// quads: four bytes of a block, each a word, twice in every 128 bits; the other bytes are 0.
DATA quads<>+0(SB)/8, $0x8003800280018000
DATA quads<>+8(SB)/8, $0x8003800280018000
DATA quads<>+16(SB)/8, $0x8007800680058004
DATA quads<>+24(SB)/8, $0x8007800680058004
DATA quads<>+32(SB)/8, $0x800b800a80098008
DATA quads<>+40(SB)/8, $0x800b800a80098008
DATA quads<>+48(SB)/8, $0x800f800e800d800c
DATA quads<>+56(SB)/8, $0x800f800e800d800c
GLOBL quads<>(SB), RODATA|NOPTR, $64

// fours: shifts by 0 in the first half of 128 bits, and by 4 in the second; lows: words of 15; eights: words of 8.
DATA fours<>+0(SB)/8, $0
DATA fours<>+8(SB)/8, $0x0004000400040004
GLOBL fours<>(SB), RODATA|NOPTR, $16
DATA lows<>+0(SB)/4, $0x000f000f
GLOBL lows<>(SB), RODATA|NOPTR, $4
DATA eights<>+0(SB)/4, $0x00080008
GLOBL eights<>(SB), RODATA|NOPTR, $4

// DECODE decodes block k at R8 to R10.
#define DECODE(k) \
	VBROADCASTI32X4 (16*k)(R8), Z0; \
	VPSHUFB   Z31, Z0, Z0;          \
	VPSRLVW   Z30, Z0, Z0;          \
	VPANDD    Z29, Z0, Z0;          \
	VPSUBW    Z28, Z0, Z0;          \
	VMOVDQU64 Z0, (64*k)(R10)

#define ROW \
	DECODE(0); \
	DECODE(1); \
	DECODE(2); \
	DECODE(3)

// func decodeWordsQ4AVX512(tile *int16, quants *byte, stride int, used uint64)
TEXT ·decodeWordsQ4AVX512(SB), NOSPLIT, $0-32
	VMOVDQU64       quads<>(SB), Z31
	VBROADCASTI32X4 fours<>(SB), Z30
	VPBROADCASTD    lows<>(SB), Z29
	VPBROADCASTD    eights<>(SB), Z28
	TILE(ROW)
