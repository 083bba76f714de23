//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"
#include "neurons_amd64.h"
#include "vnni_amd64.h"

// PRODUCTS and SUMS: see neurons_amd64.h. One instruction multiplies and adds; the sums of SUMS begin at −8·Σ k.
#define PRODUCTS(lo, hi, nlo, nhi) \
	VPXOR    Y9, Y9, Y9;   \
	DPBUSD(10, nlo, 9);    \
	DPBUSD(11, nhi, 9);    \
	VMOVDQA  Y9, lo

#define SUMS(y, q, nq) \
	VMOVDQA Y12, q;       \
	DPWSSD(8, 4, nq);     \
	DPWSSD(9, 5, nq);     \
	VMOVDQA Y13, Y4;      \
	DPWSSD(8, 6, 4);      \
	DPWSSD(9, 7, 4);      \
	OUT(q, Y10, y);       \
	OUT(Y4, Y11, y+64)

// func dotQ4Rows4VNNI(dots *[4]float32, quants *[4]*byte, scales int, ahead *[4]*byte, x *vector)
TEXT ·dotQ4Rows4VNNI(SB), NOSPLIT, $128-40
	DOTS4

// func axpyQ4x4VNNI(y []float32, f *[4]float32, quants *[4]*byte, scales int, ahead *[4]*byte)
TEXT ·axpyQ4x4VNNI(SB), NOSPLIT, $512-56
	AXPY4
