//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"
#include "packed_amd64.h"
#include "vnni_amd64.h"

// VECTOR: see packed_amd64.h. The sums are longs.
#define VECTOR(x, sum0, sum1, n0, n1) \
	VPBROADCASTD (x)(DI), Y12;    \
	VPBROADCASTD (x+16)(DI), Y13; \
	DPBUSD(12, 8, n0);            \
	DPBUSD(12, 10, n1);           \
	DPBUSD(13, 9, n0);            \
	DPBUSD(13, 11, n1)

// ADD is for the tokens of one batch: see packed_amd64.s.
#define ADD(sum, d, y) \
	VCVTDQ2PS   sum, sum;         \
	VMULPS      Y13, sum, sum;    \
	VFMADD213PS (y)(R12), d, sum; \
	VMOVUPS     sum, (y)(R12)

// func groupPackedVNNI(acc *float32, lines *byte, group, packed []byte, quads, blocks int, ahead *byte)
TEXT ·groupPackedVNNI(SB), NOSPLIT, $0-88
	GROUP

#undef ADD
// ADD is for vectors that are multiplied each as if it were alone.
#define ADD(sum, d, y) \
	VCVTDQ2PS   sum, sum;           \
	VMULPS      Y13, d, Y10;        \
	VFMADD213PS (y)(R12), Y10, sum; \
	VMOVUPS     sum, (y)(R12)

// func groupPackedEachVNNI(acc *float32, lines *byte, group, packed []byte, quads, blocks int, ahead *byte)
TEXT ·groupPackedEachVNNI(SB), NOSPLIT, $0-88
	GROUP

#include "packedq8_amd64.h"

// START: −128·Σq, sixteen times what sums start from with Q4_0.
#define START(k, sum0, sum1) \
	VPBROADCASTD (144+4*k)(DI), sum0; \
	VPSLLD       $4, sum0, sum0;      \
	VMOVDQA      sum0, sum1

// VECTOR adds the products of two lines, in Y8 and Y10, and in Y9 and Y11, with four activations each at x(DI) and at x+16(DI).
#define VECTOR(x, n0, n1) \
	VPBROADCASTD (x)(DI), Y12;    \
	VPBROADCASTD (x+16)(DI), Y13; \
	DPBUSD(12, 8, n0);            \
	DPBUSD(12, 10, n1);           \
	DPBUSD(13, 9, n0);            \
	DPBUSD(13, 11, n1)

// LINE takes the lines at w(R11) and four lines further. The weights are made 128 more than they stand for.
#define LINE(w, x) \
	VPXOR (w)(R11), Y15, Y8;      \
	VPXOR (w+256)(R11), Y15, Y9;  \
	VPXOR (w+32)(R11), Y15, Y10;  \
	VPXOR (w+288)(R11), Y15, Y11; \
	VECTOR(x+0, 0, 1);            \
	VECTOR(x+32, 2, 3);           \
	VECTOR(x+64, 4, 5);           \
	VECTOR(x+96, 6, 7)

#define LINES \
	VPBROADCASTQ flip8<>(SB), Y15; \
	LINE(0, 0);    \
	LINE(64, 4);   \
	LINE(128, 8);  \
	LINE(192, 12)

// func groupPackedQ8VNNI(acc *float32, lines *byte, group, packed []byte, quads, blocks int, ahead *byte)
TEXT ·groupPackedQ8VNNI(SB), NOSPLIT, $0-88
	GROUP
