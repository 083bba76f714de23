//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"
#include "groupx4_amd64.h"
#include "vnni_amd64.h"

// VECTOR: see groupx4_amd64.h. One instruction multiplies and adds up to longs, so there are no words that could overflow.
#define VECTOR(base, x, sum0, sum1, n0, n1) \
	VPBROADCASTD (x)(base), Y12;    \
	VPBROADCASTD (x+16)(base), Y13; \
	DPBUSD(12, 8, n0);              \
	DPBUSD(12, 10, n1);             \
	DPBUSD(13, 9, n0);              \
	DPBUSD(13, 11, n1)

// ADD is for the tokens of one batch: see groupx4_amd64.s.
#define ADD(sum, d, y) \
	VPSUBD      Y12, sum, sum; \
	VCVTDQ2PS   sum, sum;      \
	VMULPS      Y13, sum, sum; \
	VFMADD213PS (y)(AX), d, sum; \
	VMOVUPS     sum, (y)(AX)

// func groupQ4x4VNNI(acc *[4][16]float32, group []byte, x *[4]vector)
TEXT ·groupQ4x4VNNI(SB), NOSPLIT, $0-40
	FOUR

#undef ADD
// ADD is for vectors that are multiplied each as if it were alone: see groupx4_amd64.s.
#define ADD(sum, d, y) \
	VPSUBD      Y12, sum, sum; \
	VCVTDQ2PS   sum, sum;      \
	VMULPS      Y13, d, Y10;   \
	VFMADD213PS (y)(AX), Y10, sum; \
	VMOVUPS     sum, (y)(AX)

// func groupQ4x4EachVNNI(acc *[4][16]float32, group []byte, x *[4]vector)
TEXT ·groupQ4x4EachVNNI(SB), NOSPLIT, $0-40
	FOUR
