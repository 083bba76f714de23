//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"
#include "packed_amd64.h"

// VECTOR: see packed_amd64.h. The sums are words, of two products each.
#define VECTOR(x, sum0, sum1, n0, n1) \
	VPBROADCASTD (x)(DI), Y12;    \
	VPBROADCASTD (x+16)(DI), Y13; \
	VPMADDUBSW   Y12, Y8, Y14;    \
	VPMADDUBSW   Y12, Y10, Y15;   \
	VPADDW       Y14, sum0, sum0; \
	VPADDW       Y15, sum1, sum1; \
	VPMADDUBSW   Y13, Y9, Y14;    \
	VPMADDUBSW   Y13, Y11, Y15;   \
	VPADDW       Y14, sum0, sum0; \
	VPADDW       Y15, sum1, sum1

// ADD is for the tokens of one batch: it scales the products by the activations' scales first.
#define ADD(sum, d, y) \
	VPMADDWD    Y15, sum, sum;    \
	VCVTDQ2PS   sum, sum;         \
	VMULPS      Y13, sum, sum;    \
	VFMADD213PS (y)(R12), d, sum; \
	VMOVUPS     sum, (y)(R12)

// func groupPackedAVX2(acc *float32, lines *byte, group, packed []byte, quads, blocks int, ahead *byte)
TEXT ·groupPackedAVX2(SB), NOSPLIT, $0-88
	GROUP

#undef ADD
// ADD is for vectors that are multiplied each as if it were alone: it multiplies both scales first, as the kernels for one vector do.
#define ADD(sum, d, y) \
	VPMADDWD    Y15, sum, sum;      \
	VCVTDQ2PS   sum, sum;           \
	VMULPS      Y13, d, Y10;        \
	VFMADD213PS (y)(R12), Y10, sum; \
	VMOVUPS     sum, (y)(R12)

// func groupPackedEachAVX2(acc *float32, lines *byte, group, packed []byte, quads, blocks int, ahead *byte)
TEXT ·groupPackedEachAVX2(SB), NOSPLIT, $0-88
	GROUP

// GATHER puts the longs at R12 of the four vectors' slices whose pointer is at field in the low half of Y0.
#define GATHER(field) \
	MOVQ    (0*vector__size+field)(R13), AX;  \
	VMOVD   (AX)(R12*4), X0;                  \
	MOVQ    (1*vector__size+field)(R13), AX;  \
	VPINSRD $1, (AX)(R12*4), X0, X0;          \
	MOVQ    (2*vector__size+field)(R13), AX;  \
	VPINSRD $2, (AX)(R12*4), X0, X0;          \
	MOVQ    (3*vector__size+field)(R13), AX;  \
	VPINSRD $3, (AX)(R12*4), X0, X0

// COPY copies the next 32 quants at q.
#define COPY(k, q) \
	VMOVDQU (q), Y0;        \
	VMOVDQU Y0, (32*k)(DI); \
	ADDQ    $32, q

// func packQuadAVX2(to *byte, stride int, x *[4]vector, words bool)
//
// A block at a time, which is R12. Words are both −4 times a sum, a long is −8 times it.
TEXT ·packQuadAVX2(SB), NOSPLIT, $0-25
	MOVQ    to+0(FP), DI
	MOVQ    stride+8(FP), SI
	MOVQ    x+16(FP), R13
	MOVBLZX words+24(FP), BX
	MOVQ    (0*vector__size+vector_q)(R13), R8
	MOVQ    (1*vector__size+vector_q)(R13), R9
	MOVQ    (2*vector__size+vector_q)(R13), R10
	MOVQ    (3*vector__size+vector_q)(R13), R11
	MOVQ    (vector_d+8)(R13), CX
	XORQ    R12, R12
	VPXOR   X2, X2, X2
	TESTQ   CX, CX
	JZ      done

block:
	COPY(0, R8)
	COPY(1, R9)
	COPY(2, R10)
	COPY(3, R11)
	GATHER(vector_d)
	VMOVDQU X0, 128(DI)
	GATHER(vector_sum)
	VPSUBD  X0, X2, X0
	VPSLLD  $3, X0, X1
	TESTQ   BX, BX
	JZ      store
	VPSLLD  $18, X0, X1
	VPSLLD  $2, X0, X0
	VPBLENDW $0x55, X0, X1, X1

store:
	VMOVDQU X1, 144(DI)
	ADDQ    SI, DI
	INCQ    R12
	CMPQ    R12, CX
	JLT     block

done:
	VZEROUPPER
	RET
