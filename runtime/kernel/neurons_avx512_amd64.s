//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"

// low: the low nibble of every word; the others: see neurons_amd64.h.
DATA low<>+0(SB)/4, $0x000f000f
GLOBL low<>(SB), RODATA|NOPTR, $4
DATA magnitude<>+0(SB)/4, $0x7fffffff
GLOBL magnitude<>(SB), RODATA|NOPTR, $4
DATA most<>+0(SB)/4, $0x46fffe00
GLOBL most<>(SB), RODATA|NOPTR, $4
DATA least<>+0(SB)/4, $0x0da24260
GLOBL least<>(SB), RODATA|NOPTR, $4
DATA word<>+0(SB)/4, $0x0000ffff
GLOBL word<>(SB), RODATA|NOPTR, $4

// FACTORS leaves f[i], which is in the stack at f, times eight scales of row i, at (r)(CX), in y.
#define FACTORS(r, f, y, t) \
	VCVTPH2PS    (r)(CX*1), y; \
	VBROADCASTSS (f)(BX), t;   \
	VMULPS       t, y, y

// PAIR leaves 16 bytes of two rows, at w(ra) and w(rb), in the words of z, side by side.
#define PAIR(w, ra, rb, z, t) \
	VPMOVZXBD (w)(ra), z; \
	VPMOVZXBD (w)(rb), t; \
	VPSLLD    $16, t, t;  \
	VPORD     t, z, z

// OUT adds the longs in d, times Z11, to y(DI).
#define OUT(d, y) \
	VCVTDQ2PS   d, d;            \
	VFMADD213PS (y)(DI), Z11, d; \
	VMOVUPS     d, (y)(DI)

// BLOCK takes block k of eight.
#define BLOCK(k) \
	PAIR(16*k, R8, R9, Z0, Z2);         \
	PAIR(16*k, R10, R11, Z1, Z3);       \
	VPBROADCASTD (4*k+0)(SP), Z8;       \
	VPBROADCASTD (4*k+32)(SP), Z9;      \
	VBROADCASTSS (4*k+64)(SP), Z11;     \
	VPBROADCASTD (4*k+96)(SP), Z4;      \
	VPBROADCASTD (4*k+96)(SP), Z5;      \
	VPSRLW       $4, Z0, Z2;            \
	VPSRLW       $4, Z1, Z3;            \
	VPANDD       Z15, Z0, Z0;           \
	VPANDD       Z15, Z1, Z1;           \
	VPDPWSSD     Z8, Z0, Z4;            \
	VPDPWSSD     Z8, Z2, Z5;            \
	VPDPWSSD     Z9, Z1, Z4;            \
	VPDPWSSD     Z9, Z3, Z5;            \
	OUT(Z4, 128*k+0);                   \
	OUT(Z5, 128*k+64)

// AHEAD4 prefetches what lies at ahead[i/8] and has 128(SP) bytes been before: 160 bytes for every eight blocks.
#define AHEAD4(i) \
	MOVQ       ahead+48(FP), BX;  \
	MOVQ       (i)(BX), BX;       \
	ADDQ       128(SP), BX;       \
	PREFETCHT0 (BX);              \
	PREFETCHT0 64(BX);            \
	PREFETCHT0 128(BX)

// func axpyQ4x4AVX512(y []float32, f *[4]float32, quants *[4]*byte, scales int, ahead *[4]*byte)
//
// It is axpyQ4x4AVX2, to the bit: VPDPWSSD adds two rows' products to sums that begin at −8·Σ k.
TEXT ·axpyQ4x4AVX512(SB), NOSPLIT, $136-56
	MOVQ         y_base+0(FP), DI
	MOVQ         y_len+8(FP), AX
	MOVQ         quants+32(FP), BX
	MOVQ         0(BX), R8
	MOVQ         8(BX), R9
	MOVQ         16(BX), R10
	MOVQ         24(BX), R11
	MOVQ         scales+40(FP), BX
	LEAQ         (R8)(BX*1), R12
	LEAQ         (R9)(BX*1), R13
	LEAQ         (R10)(BX*1), DX
	LEAQ         (R11)(BX*1), SI
	VPBROADCASTD low<>(SB), Z15
	VPBROADCASTD word<>(SB), Y14
	VBROADCASTSS magnitude<>(SB), Y13
	VPXOR        Y12, Y12, Y12
	XORQ         CX, CX
	MOVQ         CX, 128(SP)
	SUBQ         $256, AX
	JLT          done

eight:
	MOVQ         f+24(FP), BX
	FACTORS(R12, 0, Y0, Y4)
	FACTORS(R13, 4, Y1, Y4)
	FACTORS(DX, 8, Y2, Y4)
	FACTORS(SI, 12, Y3, Y4)

	// The largest magnitude, s = it/32767, 1/s. A factor that is not a number makes s none.
	VANDPS       Y13, Y0, Y4
	VANDPS       Y13, Y1, Y5
	VANDPS       Y13, Y2, Y6
	VANDPS       Y13, Y3, Y7
	VADDPS       Y5, Y4, Y8
	VADDPS       Y7, Y6, Y9
	VADDPS       Y9, Y8, Y8
	VSUBPS       Y8, Y8, Y8
	VMAXPS       Y5, Y4, Y4
	VMAXPS       Y7, Y6, Y6
	VMAXPS       Y6, Y4, Y4
	VBROADCASTSS least<>(SB), Y5
	VMAXPS       Y5, Y4, Y4
	VBROADCASTSS most<>(SB), Y5
	VDIVPS       Y5, Y4, Y6
	VDIVPS       Y4, Y5, Y7
	VADDPS       Y8, Y6, Y6
	VMOVUPS      Y6, 64(SP)

	VMULPS       Y7, Y0, Y0
	VMULPS       Y7, Y1, Y1
	VMULPS       Y7, Y2, Y2
	VMULPS       Y7, Y3, Y3
	VCVTPS2DQ    Y0, Y0
	VCVTPS2DQ    Y1, Y1
	VCVTPS2DQ    Y2, Y2
	VCVTPS2DQ    Y3, Y3
	VPADDD       Y1, Y0, Y4
	VPADDD       Y3, Y2, Y5
	VPADDD       Y5, Y4, Y4
	VPSLLD       $3, Y4, Y4
	VPSUBD       Y4, Y12, Y4
	VMOVDQU      Y4, 96(SP)
	VPSLLD       $16, Y1, Y1
	VPSLLD       $16, Y3, Y3
	VPAND        Y14, Y0, Y0
	VPAND        Y14, Y2, Y2
	VPOR         Y1, Y0, Y0
	VPOR         Y3, Y2, Y2
	VMOVDQU      Y0, 0(SP)
	VMOVDQU      Y2, 32(SP)
	AHEAD4(0)
	BLOCK(0)
	BLOCK(1)
	AHEAD4(8)
	BLOCK(2)
	BLOCK(3)
	AHEAD4(16)
	BLOCK(4)
	BLOCK(5)
	AHEAD4(24)
	BLOCK(6)
	BLOCK(7)
	ADDQ         $160, 128(SP)
	ADDQ         $16, CX
	ADDQ         $128, R8
	ADDQ         $128, R9
	ADDQ         $128, R10
	ADDQ         $128, R11
	ADDQ         $1024, DI
	SUBQ         $256, AX
	JGE          eight

done:
	VZEROUPPER
	RET

// four and later: the lanes of four blocks, of which each has four rows, among eight numbers.
DATA four<>+0(SB)/8, $0
DATA four<>+8(SB)/8, $0
DATA four<>+16(SB)/8, $0x0000000100000001
DATA four<>+24(SB)/8, $0x0000000100000001
DATA four<>+32(SB)/8, $0x0000000200000002
DATA four<>+40(SB)/8, $0x0000000200000002
DATA four<>+48(SB)/8, $0x0000000300000003
DATA four<>+56(SB)/8, $0x0000000300000003
GLOBL four<>(SB), RODATA|NOPTR, $64
DATA later<>+0(SB)/4, $4
GLOBL later<>(SB), RODATA|NOPTR, $4

// ROW leaves the products of the four blocks at w(row) with the activations in xlo (a block's first half) and xhi in the four
// longs of each lane of acc.
#define ROW(row, w, xlo, xhi, acc, lo, hi) \
	VMOVDQU64 (w)(row), lo;      \
	VPSRLW    $4, lo, hi;        \
	VPANDQ    Z31, lo, lo;       \
	VPANDQ    Z31, hi, hi;       \
	VPXORQ    acc, acc, acc;     \
	VPDPBUSD  xlo, lo, acc;      \
	VPDPBUSD  xhi, hi, acc

// ROWS leaves the sums of four blocks of four rows in Z0: a lane is a block, its longs are the rows.
#define ROWS(w, xlo, xhi) \
	ROW(R8, w, xlo, xhi, Z0, Z4, Z5);   \
	ROW(R9, w, xlo, xhi, Z1, Z6, Z7);   \
	ROW(R10, w, xlo, xhi, Z2, Z8, Z9);  \
	ROW(R11, w, xlo, xhi, Z3, Z10, Z11); \
	VPUNPCKLDQ  Z1, Z0, Z4; \
	VPUNPCKHDQ  Z1, Z0, Z5; \
	VPUNPCKLDQ  Z3, Z2, Z6; \
	VPUNPCKHDQ  Z3, Z2, Z7; \
	VPADDD      Z5, Z4, Z4; \
	VPADDD      Z7, Z6, Z6; \
	VPUNPCKLQDQ Z6, Z4, Z5; \
	VPUNPCKHQDQ Z6, Z4, Z7; \
	VPADDD      Z7, Z5, Z0

// SCALES leaves the scales of four blocks of four rows in z, in the order of ROWS, from those of rows 0 and 1 side by side in ab,
// and of 2 and 3 in cd.
#define SCALES(ab, cd, x, y, z) \
	VPUNPCKLDQ  cd, ab, x;       \
	VPUNPCKHDQ  cd, ab, X11;     \
	VINSERTI128 $1, X11, y, y;   \
	VCVTPH2PS   y, z

// ADD adds the sums in Z0 to acc, times the weights' scales and those of the activations, which are in Y13. Y12 has the offsets, and
// index tells which of eight.
#define ADD(index, scales, acc) \
	VPERMD      Z12, index, Z4;    \
	VPERMPS     Z13, index, Z5;    \
	VPSUBD      Z4, Z0, Z0;        \
	VCVTDQ2PS   Z0, Z0;            \
	VMULPS      Z5, scales, Z5;    \
	VFMADD231PS Z5, Z0, acc

// AHEAD prefetches what lies at ahead[i/8] and has R13 bytes been before: 128 bytes for every eight blocks.
#define AHEAD(i) \
	MOVQ       ahead+24(FP), R12; \
	MOVQ       (i)(R12), R12;     \
	PREFETCHT0 (R12)(R13*1);      \
	PREFETCHT0 64(R12)(R13*1)

// func dotQ4Rows4AVX512(dots *[4]float32, quants *[4]*byte, scales int, ahead *[4]*byte, x *vector)
//
// R8-R11 are the rows' quants, whose scales are CX bytes further.
TEXT ·dotQ4Rows4AVX512(SB), NOSPLIT, $0-40
	MOVQ         quants+8(FP), BX
	MOVQ         0(BX), R8
	MOVQ         8(BX), R9
	MOVQ         16(BX), R10
	MOVQ         24(BX), R11
	MOVQ         scales+16(FP), CX
	MOVQ         x+32(FP), BX
	MOVQ         vector_q(BX), DI
	MOVQ         vector_d(BX), SI
	MOVQ         vector_sum(BX), DX
	MOVQ         (vector_d+8)(BX), AX
	XORQ         R13, R13
	VPBROADCASTQ nibble<>(SB), Z31
	VMOVDQU64    four<>(SB), Z30
	VPBROADCASTD later<>(SB), Z29
	VPADDD       Z30, Z29, Z29
	VPXORQ       Z24, Z24, Z24
	VPXORQ       Z25, Z25, Z25
	SUBQ         $8, AX
	JLT          done

eight:
	AHEAD(0)
	VMOVDQU64  0(DI), Z0
	VMOVDQU64  64(DI), Z1
	VMOVDQU64  128(DI), Z2
	VMOVDQU64  192(DI), Z3
	VSHUFI32X4 $0x88, Z1, Z0, Z16
	VSHUFI32X4 $0xdd, Z1, Z0, Z17
	VSHUFI32X4 $0x88, Z3, Z2, Z18
	VSHUFI32X4 $0xdd, Z3, Z2, Z19

	AHEAD(8)
	VMOVDQU    (R8)(CX*1), X4
	VMOVDQU    (R9)(CX*1), X5
	VMOVDQU    (R10)(CX*1), X6
	VMOVDQU    (R11)(CX*1), X7
	VPUNPCKLWD X5, X4, X0
	VPUNPCKHWD X5, X4, X1
	VPUNPCKLWD X7, X6, X2
	VPUNPCKHWD X7, X6, X3
	SCALES(X0, X2, X8, Y8, Z20)
	SCALES(X1, X3, X9, Y9, Z21)
	VMOVDQU    (DX), Y12
	VPSLLD     $3, Y12, Y12
	VMOVUPS    (SI), Y13

	AHEAD(16)
	ROWS(0, Z16, Z17)
	ADD(Z30, Z20, Z24)
	AHEAD(24)
	ROWS(64, Z18, Z19)
	ADD(Z29, Z21, Z25)
	ADDQ       $128, R8
	ADDQ       $128, R9
	ADDQ       $128, R10
	ADDQ       $128, R11
	SUBQ       $112, CX
	ADDQ       $128, R13
	ADDQ       $256, DI
	ADDQ       $32, SI
	ADDQ       $32, DX
	SUBQ       $8, AX
	JGE        eight

done:
	// The sums of dotQ4AVX2, in its order.
	VADDPS        Z25, Z24, Z24
	VEXTRACTF32X4 $1, Z24, X1
	VEXTRACTF32X4 $2, Z24, X2
	VEXTRACTF32X4 $3, Z24, X3
	VMOVAPS       Z24, Z0
	VADDPS        X1, X0, X0
	VADDPS        X3, X2, X2
	VADDPS        X2, X0, X0
	MOVQ          dots+0(FP), AX
	VMOVUPS       X0, (AX)
	VZEROUPPER
	RET
