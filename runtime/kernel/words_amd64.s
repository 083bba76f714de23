//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"
#include "words_amd64.h"

// func relativeScalesAVX2(scales, tops *float32, from *byte, stride, rows, blocks int)
//
// Eight blocks of all rows at a time. Y13 has all bits but the sign, Y0 what is largest so far.
TEXT ·relativeScalesAVX2(SB), NOSPLIT, $0-48
	MOVQ     scales+0(FP), DI
	MOVQ     tops+8(FP), R8
	MOVQ     from+16(FP), SI
	MOVQ     stride+24(FP), CX
	MOVQ     rows+32(FP), R11
	MOVQ     blocks+40(FP), R10
	LEAQ     (R10*4), R9
	VPCMPEQD Y13, Y13, Y13
	VPSRLD   $1, Y13, Y13
	VBROADCASTSS one<>(SB), Y12

eight:
	VBROADCASTSS least<>(SB), Y0
	MOVQ SI, AX
	MOVQ DI, BX
	MOVQ R11, DX

row:
	VCVTPH2PS (AX), Y1
	VMOVUPS   Y1, (BX)
	VPAND     Y13, Y1, Y1
	VPMAXUD   Y1, Y0, Y0
	ADDQ      CX, AX
	ADDQ      R9, BX
	DECQ      DX
	JNZ       row
	VMOVUPS   Y0, (R8)
	VDIVPS    Y0, Y12, Y0
	MOVQ      DI, BX
	MOVQ      R11, DX

relative:
	VMULPS  (BX), Y0, Y1
	VMOVUPS Y1, (BX)
	ADDQ    R9, BX
	DECQ    DX
	JNZ     relative
	ADDQ    $16, SI
	ADDQ    $32, DI
	ADDQ    $32, R8
	SUBQ    $8, R10
	JNZ     eight
	VZEROUPPER
	RET

// EIGHT stores the factors of eight blocks.
#define EIGHT \
	VMULPS    (AX), Y0, Y2;        \
	VMULPS    (CX), Y1, Y3;        \
	VCVTPS2DQ Y2, Y2;              \
	VCVTPS2DQ Y3, Y3;              \
	VPSLLD    $16, Y3, Y3;         \
	VPBLENDW  $0xaa, Y3, Y2, Y2;   \
	VMOVDQU   X2, (SI);            \
	VEXTRACTI128 $1, Y2, (SI)(R10*1)

// func factorWordsAVX2(rows *int32, factors *byte, stride int, gates, dots *float32, weight float32, mask uint64, scales *float32, blocks int) (unit float32)
TEXT ·factorWordsAVX2(SB), NOSPLIT, $0-76
	FACTORS

pair:
	NEXTPAIR

blocks:
	EIGHT
	LEAQ  (SI)(R10*2), SI
	ADDQ  $32, AX
	ADDQ  $32, CX
	SUBQ  $8, R13
	JNZ   blocks
	ADDQ  $const_wordsOfPair, R9
	TESTQ BX, BX
	JNZ   pair
	VZEROUPPER
	RET

// eights: bytes of 8.
DATA eights<>+0(SB)/8, $0x0808080808080808
GLOBL eights<>(SB), RODATA|NOPTR, $8

// DECODE decodes the two blocks at q(R8) to o(R10).
#define DECODE(q, o) \
	VMOVDQU      (q)(R8), Y0;    \
	VPSRLW       $4, Y0, Y1;     \
	VPAND        Y15, Y0, Y0;    \
	VPAND        Y15, Y1, Y1;    \
	VPSUBB       Y14, Y0, Y0;    \
	VPSUBB       Y14, Y1, Y1;    \
	VPUNPCKLDQ   Y1, Y0, Y2;     \
	VPUNPCKHDQ   Y1, Y0, Y3;     \
	VPMOVSXBW    X2, Y4;         \
	VPMOVSXBW    X3, Y5;         \
	VEXTRACTI128 $1, Y2, X2;     \
	VEXTRACTI128 $1, Y3, X3;     \
	VPMOVSXBW    X2, Y6;         \
	VPMOVSXBW    X3, Y7;         \
	VMOVDQU      Y4, (o)(R10);    \
	VMOVDQU      Y5, (o+32)(R10); \
	VMOVDQU      Y6, (o+64)(R10); \
	VMOVDQU      Y7, (o+96)(R10)

#define ROWQ4 \
	DECODE(0, 0); \
	DECODE(32, 128)

// func decodeWordsQ4AVX2(tile *int16, quants *byte, stride int, used uint64)
TEXT ·decodeWordsQ4AVX2(SB), NOSPLIT, $0-32
	VPBROADCASTQ nibble<>(SB), Y15
	VPBROADCASTQ eights<>(SB), Y14
	TILE(ROWQ4)

// halves: the first and the second half of a block, four bytes of each in turn.
DATA halves<>+0(SB)/8, $0x0000000400000000
DATA halves<>+8(SB)/8, $0x0000000500000001
DATA halves<>+16(SB)/8, $0x0000000600000002
DATA halves<>+24(SB)/8, $0x0000000700000003
GLOBL halves<>(SB), RODATA|NOPTR, $32

// DECODEQ8 decodes the block at q(R8) to o(R10).
#define DECODEQ8(q, o) \
	VPERMD       (q)(R8), Y15, Y0; \
	VPMOVSXBW    X0, Y1;           \
	VEXTRACTI128 $1, Y0, X0;       \
	VPMOVSXBW    X0, Y2;           \
	VMOVDQU      Y1, (o)(R10);     \
	VMOVDQU      Y2, (o+32)(R10)

#define ROWQ8 \
	DECODEQ8(0, 0); \
	DECODEQ8(32, 64); \
	DECODEQ8(64, 128); \
	DECODEQ8(96, 192)

// func decodeWordsQ8AVX2(tile *int16, quants *byte, stride int, used uint64)
TEXT ·decodeWordsQ8AVX2(SB), NOSPLIT, $0-32
	VMOVDQU halves<>(SB), Y15
	TILE(ROWQ8)

#define ADDPAIR(f, w, sum, nf, nw, nsum) \
	VPMADDWD f, w, w;   \
	VPADDD   w, sum, sum

// func addWordsAVX2(y *float32, tile *int16, rows *int32, factors *byte, shares []share, units, tops *float32)
TEXT ·addWordsAVX2(SB), NOSPLIT, $0-72
	TOKENS(HALVES)
