//go:build !noasm

#include "textflag.h"

// halves puts the low words of four longs before their high ones.
DATA halves<>+0(SB)/8, $0x0d0c090805040100
DATA halves<>+8(SB)/8, $0x0f0e0b0a07060302
DATA halves<>+16(SB)/8, $0x0d0c090805040100
DATA halves<>+24(SB)/8, $0x0f0e0b0a07060302
GLOBL halves<>(SB), RODATA|NOPTR, $32

// FOUR stores four longs of each of eight rows, at x(index) of them, in Y0-Y3: the first of every row, the second, and so on. A register is
// loaded with a row in its low half and the row four further in its high one.
#define FOUR(x, index) \
	VMOVDQU     (x)(AX)(index*1), X0;           \
	VMOVDQU     (x)(BX)(index*1), X1;           \
	VMOVDQU     (x)(R8)(index*1), X2;           \
	VMOVDQU     (x)(R9)(index*1), X3;           \
	VINSERTI128 $1, (x)(R10)(index*1), Y0, Y0;  \
	VINSERTI128 $1, (x)(R11)(index*1), Y1, Y1;  \
	VINSERTI128 $1, (x)(R12)(index*1), Y2, Y2;  \
	VINSERTI128 $1, (x)(R13)(index*1), Y3, Y3;  \
	VPUNPCKLDQ  Y1, Y0, Y4;                     \
	VPUNPCKHDQ  Y1, Y0, Y5;                     \
	VPUNPCKLDQ  Y3, Y2, Y6;                     \
	VPUNPCKHDQ  Y3, Y2, Y7;                     \
	VPUNPCKLQDQ Y6, Y4, Y0;                     \
	VPUNPCKHQDQ Y6, Y4, Y1;                     \
	VPUNPCKLQDQ Y7, Y5, Y2;                     \
	VPUNPCKHQDQ Y7, Y5, Y3

// QUANTS stores the 16 bytes at x of every row as half lines at to.
#define QUANTS(x, to) \
	FOUR(x, CX);               \
	VMOVDQU Y0, (to+0)(SI);    \
	VMOVDQU Y1, (to+64)(SI);   \
	VMOVDQU Y2, (to+128)(SI);  \
	VMOVDQU Y3, (to+192)(SI)

// SCALES stores the scales of two blocks, which are the longs of y.
#define SCALES(y, x, to) \
	VPSHUFB      Y15, y, y;           \
	VPERMQ       $0xd8, y, y;         \
	VMOVDQU      x, (to)(DI);         \
	VEXTRACTI128 $1, y, (to+32)(DI)

// NEXT prefetches what is as far in row i of those ahead.
#define NEXT(i) \
	MOVQ       ahead+16(FP), R15;  \
	MOVQ       (8*i)(R15), R15;    \
	PREFETCHT0 (R15)(CX*1);        \
	PREFETCHT0 64(R15)(CX*1);      \
	PREFETCHT0 (R15)(DX*1)

#define START \
	MOVQ    group+0(FP), DI;   \
	MOVQ    rows+8(FP), SI;    \
	MOVQ    0(SI), AX;         \
	MOVQ    8(SI), BX;         \
	MOVQ    16(SI), R8;        \
	MOVQ    24(SI), R9;        \
	MOVQ    32(SI), R10;       \
	MOVQ    40(SI), R11;       \
	MOVQ    48(SI), R12;       \
	MOVQ    56(SI), R13;       \
	MOVQ    half+24(FP), SI;   \
	MOVQ    scales+32(FP), DX; \
	SHLQ    $4, SI;            \
	ADDQ    SI, DI;            \
	LEAQ    64(DI)(SI*1), SI;  \
	XORQ    CX, CX;            \
	VMOVDQU halves<>(SB), Y15

// func interleaveQ4AVX2(group *byte, rows, ahead *[8]*byte, half, scales, eights int)
TEXT ·interleaveQ4AVX2(SB), NOSPLIT, $0-48
	START

eight:
	FOUR(0, DX)
	SCALES(Y0, X0, 0)
	SCALES(Y1, X1, 576)
	SCALES(Y2, X2, 1152)
	SCALES(Y3, X3, 1728)
	NEXT(0)
	QUANTS(0, 0)
	NEXT(1)
	QUANTS(16, 256)
	NEXT(2)
	QUANTS(32, 576)
	NEXT(3)
	QUANTS(48, 832)
	NEXT(4)
	QUANTS(64, 1152)
	NEXT(5)
	QUANTS(80, 1408)
	NEXT(6)
	QUANTS(96, 1728)
	NEXT(7)
	QUANTS(112, 1984)
	ADDQ $128, CX
	ADDQ $16, DX
	ADDQ $2304, DI
	ADDQ $2304, SI
	SUBQ $1, eights+40(FP)
	JNZ  eight
	VZEROUPPER
	RET

#define NEXT8(i) \
	NEXT(i);                    \
	PREFETCHT0 128(R15)(CX*1);  \
	PREFETCHT0 192(R15)(CX*1)

// PAIR stores the quants of two blocks of Q8_0.
#define PAIR(x, to) \
	QUANTS(x, to);         \
	QUANTS(x+16, to+256);  \
	QUANTS(x+32, to+512);  \
	QUANTS(x+48, to+768)

// func interleaveQ8AVX2(group *byte, rows, ahead *[8]*byte, half, scales, eights int)
TEXT ·interleaveQ8AVX2(SB), NOSPLIT, $0-48
	START

eight:
	FOUR(0, DX)
	SCALES(Y0, X0, 0)
	SCALES(Y1, X1, 1088)
	SCALES(Y2, X2, 2176)
	SCALES(Y3, X3, 3264)
	NEXT8(0)
	NEXT8(1)
	PAIR(0, 0)
	NEXT8(2)
	NEXT8(3)
	PAIR(64, 1088)
	NEXT8(4)
	NEXT8(5)
	PAIR(128, 2176)
	NEXT8(6)
	NEXT8(7)
	PAIR(192, 3264)
	ADDQ $256, CX
	ADDQ $16, DX
	ADDQ $4352, DI
	ADDQ $4352, SI
	SUBQ $1, eights+40(FP)
	JNZ  eight
	VZEROUPPER
	RET

// MASK stores in m the bits of the 16 numbers at x: predicate 0x16 is true of what is not less or equal, and of NaN.
#define MASK(x, m, t) \
	VMOVUPS   (x)(SI), Y1;        \
	VMOVUPS   (x+32)(SI), Y2;     \
	VCMPPS    $0x16, Y0, Y1, Y1;  \
	VCMPPS    $0x16, Y0, Y2, Y2;  \
	VMOVMSKPS Y1, m;              \
	VMOVMSKPS Y2, t;              \
	SHLQ      $8, t;              \
	ORQ       t, m

// func aboveAVX2(masks []uint64, x []float32, threshold float32)
TEXT ·aboveAVX2(SB), NOSPLIT, $0-52
	MOVQ         masks_base+0(FP), DI
	MOVQ         masks_len+8(FP), CX
	MOVQ         x_base+24(FP), SI
	VBROADCASTSS threshold+48(FP), Y0
	TESTQ        CX, CX
	JZ           done

run:
	MASK(0, AX, R8)
	MASK(64, BX, R9)
	MASK(128, R10, R8)
	MASK(192, R11, R9)
	SHLQ $16, BX
	SHLQ $32, R10
	SHLQ $48, R11
	ORQ  BX, AX
	ORQ  R11, R10
	ORQ  R10, AX
	ORQ  AX, (DI)
	ADDQ $256, SI
	ADDQ $8, DI
	DECQ CX
	JNZ  run

done:
	VZEROUPPER
	RET
