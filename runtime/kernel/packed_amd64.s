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

#include "packedq8_amd64.h"

#define START(k, sum0, sum1) \
	VPXOR sum0, sum0, sum0; \
	VPXOR sum1, sum1, sum1

// VECTOR adds the products of a line, which is in Y8 and Y10 and without its signs in Y9 and Y11, with four activations at x(DI). Y15 is ones.
#define VECTOR(x, sum0, sum1) \
	VPBROADCASTD (x)(DI), Y12;    \
	VPSIGNB      Y8, Y12, Y13;    \
	VPSIGNB      Y10, Y12, Y14;   \
	VPMADDUBSW   Y13, Y9, Y13;    \
	VPMADDUBSW   Y14, Y11, Y14;   \
	VPMADDWD     Y15, Y13, Y13;   \
	VPMADDWD     Y15, Y14, Y14;   \
	VPADDD       Y13, sum0, sum0; \
	VPADDD       Y14, sum1, sum1

#define LINE(w, x) \
	VMOVDQU (w)(R11), Y8;     \
	VMOVDQU (w+32)(R11), Y10; \
	VPABSB  Y8, Y9;           \
	VPABSB  Y10, Y11;         \
	VECTOR(x+0, Y0, Y1);      \
	VECTOR(x+32, Y2, Y3);     \
	VECTOR(x+64, Y4, Y5);     \
	VECTOR(x+96, Y6, Y7)

#define LINES \
	VPBROADCASTQ ones<>(SB), Y15; \
	LINE(0, 0);    \
	LINE(64, 4);   \
	LINE(128, 8);  \
	LINE(192, 12); \
	LINE(256, 16); \
	LINE(320, 20); \
	LINE(384, 24); \
	LINE(448, 28)

// func groupPackedQ8AVX2(acc *float32, lines *byte, group, packed []byte, quads, blocks int, ahead *byte)
TEXT ·groupPackedQ8AVX2(SB), NOSPLIT, $0-88
	GROUP

// func packVectorAVX2(to *byte, stride, k int, x *vector, words bool)
//
// A block at a time, which is R12. Words are both −4 times a sum, a long is −8 times it.
TEXT ·packVectorAVX2(SB), NOSPLIT, $0-33
	MOVQ    to+0(FP), DI
	MOVQ    stride+8(FP), SI
	MOVQ    k+16(FP), R8
	MOVQ    x+24(FP), R13
	MOVBLZX words+32(FP), BX
	MOVQ    vector_q(R13), R9
	MOVQ    vector_d(R13), R10
	MOVQ    (vector_d+8)(R13), CX
	MOVQ    vector_sum(R13), R11
	SHLQ    $2, R8
	LEAQ    128(DI)(R8*1), R13       // where scales are, and sums 16 bytes further
	SHLQ    $3, R8
	ADDQ    R8, DI
	XORQ    R12, R12
	TESTQ   CX, CX
	JZ      done
	TESTQ   BX, BX
	JNZ     words

longs:
	VMOVDQU (R9), Y0
	MOVL    (R10)(R12*4), AX
	MOVL    (R11)(R12*4), BX
	NEGL    BX
	SHLL    $3, BX
	VMOVDQU Y0, (DI)
	MOVL    AX, (R13)
	MOVL    BX, 16(R13)
	ADDQ    $32, R9
	ADDQ    SI, DI
	ADDQ    SI, R13
	INCQ    R12
	CMPQ    R12, CX
	JLT     longs
	JMP     done

words:
	VMOVDQU (R9), Y0
	MOVL    (R10)(R12*4), AX
	MOVL    (R11)(R12*4), BX
	NEGL    BX
	SHLL    $2, BX
	MOVL    BX, DX
	SHLL    $16, DX
	MOVWLZX BX, BX
	ORL     DX, BX
	VMOVDQU Y0, (DI)
	MOVL    AX, (R13)
	MOVL    BX, 16(R13)
	ADDQ    $32, R9
	ADDQ    SI, DI
	ADDQ    SI, R13
	INCQ    R12
	CMPQ    R12, CX
	JLT     words

done:
	VZEROUPPER
	RET
