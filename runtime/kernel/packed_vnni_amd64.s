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
