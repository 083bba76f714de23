//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"
#include "groupx4_amd64.h"

// VECTOR adds the products of a line, unpacked in Y8-Y11, with four activations at x and at x+16 to the words of sum0
// (rows 0-7) and sum1 (rows 8-15).
#define VECTOR(base, x, sum0, sum1, n0, n1) \
	VPBROADCASTD (x)(base), Y12;    \
	VPBROADCASTD (x+16)(base), Y13; \
	VPMADDUBSW   Y12, Y8, Y14;      \
	VPADDW       Y14, sum0, sum0;   \
	VPMADDUBSW   Y13, Y9, Y14;      \
	VPADDW       Y14, sum0, sum0;   \
	VPMADDUBSW   Y12, Y10, Y14;     \
	VPADDW       Y14, sum1, sum1;   \
	VPMADDUBSW   Y13, Y11, Y14;     \
	VPADDW       Y14, sum1, sum1

// ADD is for the tokens of one batch: it scales the products by the activations' scales first.
#define ADD(sum, d, y) \
	VPMADDWD    Y14, sum, sum; \
	VPSUBD      Y12, sum, sum; \
	VCVTDQ2PS   sum, sum;      \
	VMULPS      Y13, sum, sum; \
	VFMADD213PS (y)(AX), d, sum; \
	VMOVUPS     sum, (y)(AX)

// func groupQ4x4AVX2(acc *[4][16]float32, group []byte, x *[4]vector)
TEXT ·groupQ4x4AVX2(SB), NOSPLIT, $0-40
	FOUR

#undef ADD
// ADD is for vectors that are multiplied each as if it were alone: it multiplies both scales first, as the kernels for one vector do.
#define ADD(sum, d, y) \
	VPMADDWD    Y14, sum, sum; \
	VPSUBD      Y12, sum, sum; \
	VCVTDQ2PS   sum, sum;      \
	VMULPS      Y13, d, Y10;   \
	VFMADD213PS (y)(AX), Y10, sum; \
	VMOVUPS     sum, (y)(AX)

// func groupQ4x4EachAVX2(acc *[4][16]float32, group []byte, x *[4]vector)
TEXT ·groupQ4x4EachAVX2(SB), NOSPLIT, $0-40
	FOUR
