#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"

// VECTOR adds the products of line g, unpacked in Y8-Y11, with vector v to
// the words of sum0 (rows 0-7) and sum1 (rows 8-15).
#define VECTOR(g, v, sum0, sum1) \
	VPBROADCASTD (32*v+4*g)(DI), Y12;    \
	VPBROADCASTD (32*v+4*g+16)(DI), Y13; \
	VPMADDUBSW   Y12, Y8, Y14;           \
	VPADDW       Y14, sum0, sum0;        \
	VPMADDUBSW   Y13, Y9, Y14;           \
	VPADDW       Y14, sum0, sum0;        \
	VPMADDUBSW   Y12, Y10, Y14;          \
	VPADDW       Y14, sum1, sum1;        \
	VPMADDUBSW   Y13, Y11, Y14;          \
	VPADDW       Y14, sum1, sum1

#define LINE(g) \
	VMOVDQU (64*g)(SI), Y8;     \
	VMOVDQU (64*g+32)(SI), Y10; \
	UNPACK(Y8, Y9);             \
	UNPACK(Y10, Y11);           \
	VECTOR(g, 0, Y0, Y1);       \
	VECTOR(g, 1, Y2, Y3);       \
	VECTOR(g, 2, Y4, Y5);       \
	VECTOR(g, 3, Y6, Y7)

// ADD scales the words of sum, whose weight scales are w, and adds them to y.
// Y12 and Y13 are the vector's offset and scale.
#define ADD(sum, w, y) \
	VPMADDWD    ones<>(SB), sum, sum; \
	VPSUBD      Y12, sum, sum;        \
	VCVTDQ2PS   sum, sum;             \
	VMULPS      Y13, sum, sum;        \
	VFMADD213PS y, w, sum;            \
	VMOVUPS     sum, y

// FINISH adds the sums of vector v to y0 and y1.
#define FINISH(v, sum0, sum1, y0, y1) \
	VPBROADCASTD (4*v)(DX), Y12;  \
	VBROADCASTSS (4*v)(R13), Y13; \
	ADD(sum0, Y8, y0);            \
	ADD(sum1, Y9, y1)

// func tilesMulAVX2(y []float32, yStride int, q, d []byte, qStep, dStep int, x *activations)
//
// The generic twin is tilesMul. The group is read twice, for vectors 0-3 and
// for 4-7.
TEXT ·tilesMulAVX2(SB), NOSPLIT, $0-104
	MOVQ    y_base+0(FP), R8
	MOVQ    yStride+24(FP), R9
	SHLQ    $2, R9
	MOVQ    x+96(FP), R11
	VMOVDQU nibble<>(SB), Y15
	XORQ    R12, R12                   // first vector

half:
	LEAQ (R8)(R9*2), R10
	MOVQ q_base+32(FP), SI
	MOVQ d_base+56(FP), CX
	MOVQ activations_blocks(R11), AX
	MOVQ activations_q(R11), DI
	MOVQ activations_scale(R11), R13
	MOVQ activations_off(R11), DX
	LEAQ (R13)(R12*4), R13
	LEAQ (DX)(R12*4), DX
	MOVQ R12, BX
	SHLQ $5, BX
	ADDQ BX, DI

block:
	VPXOR     Y0, Y0, Y0
	VPXOR     Y1, Y1, Y1
	VPXOR     Y2, Y2, Y2
	VPXOR     Y3, Y3, Y3
	VPXOR     Y4, Y4, Y4
	VPXOR     Y5, Y5, Y5
	VPXOR     Y6, Y6, Y6
	VPXOR     Y7, Y7, Y7
	LINE(0)
	LINE(1)
	LINE(2)
	LINE(3)
	VCVTPH2PS (CX), Y8
	VCVTPH2PS 16(CX), Y9
	FINISH(0, Y0, Y1, (R8), 32(R8))
	FINISH(1, Y2, Y3, (R8)(R9*1), 32(R8)(R9*1))
	FINISH(2, Y4, Y5, (R10), 32(R10))
	FINISH(3, Y6, Y7, (R10)(R9*1), 32(R10)(R9*1))
	ADDQ      qStep+80(FP), SI
	ADDQ      dStep+88(FP), CX
	ADDQ      $256, DI
	ADDQ      $32, R13
	ADDQ      $32, DX
	DECQ      AX
	JNZ       block

	LEAQ (R8)(R9*4), R8
	ADDQ $4, R12
	CMPQ R12, $8
	JNE  half
	VZEROUPPER
	RET
