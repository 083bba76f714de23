//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"

// The kernels of group_avx512_amd64.s that multiply one group with one vector, for two groups: they load the activations once. The first group is at SI,
// its sums in Z0 and Z1, its results in Z30; the second at R9, its sums in Z2 and Z3, its results in Z29.
// What is prefetched, weightsAhead further on, is at R10 and at R12.

// HALVES adds the products of a line at w(g) with the activations in Z8 (low nibbles) to a, and sixteen times those in Z9 (high nibbles) to b. Z31 is
// the low nibbles of bytes, Z28 the high ones.
#define HALVES(g, ahead, w, lo, hi, a, b) \
	VMOVDQU64  (w)(g), lo;      \
	VPANDQ     Z28, lo, hi;     \
	VPANDQ     Z31, lo, lo;     \
	VPDPBUSD   Z8, lo, a;       \
	VPDPBUSD   Z9, hi, b;       \
	PREFETCHT1 (w)(ahead)

#define LINE(w, x) \
	VPBROADCASTD (x)(DI), Z8;            \
	VPBROADCASTD (x+16)(DI), Z9;         \
	HALVES(SI, R10, w, Z4, Z5, Z0, Z1);  \
	HALVES(R9, R12, w, Z6, Z7, Z2, Z3)

// SCALE adds the longs in a, times the weights' scales at s(g) and the activations' scale, to y.
#define SCALE(g, k, s, a, t, y) \
	VCVTDQ2PS   a, a;              \
	VCVTPH2PS   (s)(g), t;         \
	VMULPS.BCST (4*k)(R13), t, t;  \
	VFMADD231PS t, a, y

// BLOCK adds block k from the current one, whose scales and quants are at s and w, to Z30 and Z29. Its sums begin at -8 times the activations' sum.
#define BLOCK(k, s, w) \
	VPXORQ       Z1, Z1, Z1;        \
	VPXORQ       Z3, Z3, Z3;        \
	VPBROADCASTD (4*k)(DX), Z0;     \
	VPSLLD       $3, Z0, Z0;        \
	VPSUBD       Z0, Z1, Z0;        \
	VMOVDQA64    Z0, Z2;            \
	LINE(w+0, 32*k+0);              \
	LINE(w+64, 32*k+4);             \
	LINE(w+128, 32*k+8);            \
	LINE(w+192, 32*k+12);           \
	VPSRAD       $4, Z1, Z1;        \
	VPSRAD       $4, Z3, Z3;        \
	VPADDD       Z1, Z0, Z0;        \
	VPADDD       Z3, Z2, Z2;        \
	SCALE(SI, k, s, Z0, Z4, Z30);   \
	SCALE(R9, k, s, Z2, Z5, Z29)

#define START \
	MOVQ   acc+0(FP), R8;           \
	MOVQ   a_base+8(FP), SI;        \
	MOVQ   b_base+32(FP), R9;       \
	MOVQ   x+56(FP), R11;           \
	MOVQ   vector_q(R11), DI;       \
	MOVQ   vector_d(R11), R13;      \
	MOVQ   (vector_d+8)(R11), AX;   \
	MOVQ   vector_sum(R11), DX;     \
	MOVQ   ·weightsAhead(SB), R10;  \
	LEAQ   (R9)(R10*1), R12;        \
	ADDQ   SI, R10;                 \
	VPXORQ Z30, Z30, Z30;           \
	VPXORQ Z29, Z29, Z29

// func groupQ4x2AVX512(acc *[2][16]float32, a, b []byte, x *vector)
TEXT ·groupQ4x2AVX512(SB), NOSPLIT, $0-64
	START
	VPBROADCASTQ nibble<>(SB), Z31
	VPSLLW       $4, Z31, Z28
	SUBQ         $2, AX
	JLT          last

pair:
	PREFETCHT1 (R10)
	PREFETCHT1 (R12)
	BLOCK(0, 0, 64)
	BLOCK(1, 32, 320)
	ADDQ       $576, SI
	ADDQ       $576, R9
	ADDQ       $576, R10
	ADDQ       $576, R12
	ADDQ       $64, DI
	ADDQ       $8, R13
	ADDQ       $8, DX
	SUBQ       $2, AX
	JGE        pair

last:
	ADDQ $2, AX
	JZ   done
	BLOCK(0, 0, 32)

done:
	VMOVUPS Z30, (R8)
	VMOVUPS Z29, 64(R8)
	VZEROUPPER
	RET

// LINE8 adds the products of lines of Q8_0 at w(SI) and w(R9), plus 128 times the activations, to a and b: see group_avx512_amd64.s.
#define LINE8(w, x, a, b) \
	VPBROADCASTD (x)(DI), Z8;          \
	VPXORQ       (w)(SI), Z31, Z4;     \
	VPXORQ       (w)(R9), Z31, Z5;     \
	VPDPBUSD     Z8, Z4, a;            \
	VPDPBUSD     Z8, Z5, b;            \
	PREFETCHT1   (w)(R10);             \
	PREFETCHT1   (w)(R12)

// BLOCK8 is BLOCK for Q8_0.
#define BLOCK8(k, s, w) \
	VPXORQ       Z1, Z1, Z1;           \
	VPXORQ       Z3, Z3, Z3;           \
	VPBROADCASTD (4*k)(DX), Z0;        \
	VPSLLD       $7, Z0, Z0;           \
	VPSUBD       Z0, Z1, Z0;           \
	VMOVDQA64    Z0, Z2;               \
	LINE8(w+0, 32*k+0, Z0, Z2);        \
	LINE8(w+64, 32*k+4, Z1, Z3);       \
	LINE8(w+128, 32*k+8, Z0, Z2);      \
	LINE8(w+192, 32*k+12, Z1, Z3);     \
	LINE8(w+256, 32*k+16, Z0, Z2);     \
	LINE8(w+320, 32*k+20, Z1, Z3);     \
	LINE8(w+384, 32*k+24, Z0, Z2);     \
	LINE8(w+448, 32*k+28, Z1, Z3);     \
	VPADDD       Z1, Z0, Z0;           \
	VPADDD       Z3, Z2, Z2;           \
	SCALE(SI, k, s, Z0, Z4, Z30);      \
	SCALE(R9, k, s, Z2, Z5, Z29)

// func groupQ8x2AVX512(acc *[2][16]float32, a, b []byte, x *vector)
TEXT ·groupQ8x2AVX512(SB), NOSPLIT, $0-64
	START
	VPBROADCASTQ flip8<>(SB), Z31
	SUBQ         $2, AX
	JLT          last

pair:
	PREFETCHT1 (R10)
	PREFETCHT1 (R12)
	BLOCK8(0, 0, 64)
	BLOCK8(1, 32, 576)
	ADDQ       $1088, SI
	ADDQ       $1088, R9
	ADDQ       $1088, R10
	ADDQ       $1088, R12
	ADDQ       $64, DI
	ADDQ       $8, R13
	ADDQ       $8, DX
	SUBQ       $2, AX
	JGE        pair

last:
	ADDQ $2, AX
	JZ   done
	BLOCK8(0, 0, 32)

done:
	VMOVUPS Z30, (R8)
	VMOVUPS Z29, 64(R8)
	VZEROUPPER
	RET
