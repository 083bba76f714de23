//go:build !noasm

#include "textflag.h"
#include "neurons_amd64.h"
#include "vnni_amd64.h"

// SUMS: see neurons_amd64.h. The sums begin at −8·Σ k, and one instruction multiplies and adds.
#define SUMS(k) \
	VMOVDQA Y12, Y10;   \
	DPWSSD(8, 0, 10);   \
	DPWSSD(9, 1, 10);   \
	VMOVDQA Y12, Y0;    \
	DPWSSD(8, 2, 0);    \
	DPWSSD(9, 3, 0);    \
	VMOVDQA Y12, Y1;    \
	DPWSSD(8, 4, 1);    \
	DPWSSD(9, 6, 1);    \
	DPWSSD(8, 5, 12);   \
	DPWSSD(9, 7, 12);   \
	OUT(Y10, 128*k+0);  \
	OUT(Y0, 128*k+32);  \
	OUT(Y1, 128*k+64);  \
	OUT(Y12, 128*k+96)

// func axpyQ4x4VNNI(y []float32, f *[4]float32, quants, scales, ahead *[4]*byte)
TEXT ·axpyQ4x4VNNI(SB), NOSPLIT, $136-56
	AXPY
