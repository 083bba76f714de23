//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"
#include "lanes_amd64.h"
#include "vnni_amd64.h"

// MULTIPLY: see lanes_amd64.h.
#define MULTIPLY \
	VMOVDQU 288(AX), Y0; \
	VMOVDQU 0(AX), Y2;   \
	VMOVDQU 32(AX), Y3;  \
	VPXOR   Y1, Y1, Y1;  \
	DPBUSD(2, 8, 0);     \
	DPBUSD(3, 9, 1);     \
	VMOVDQU 64(AX), Y2;  \
	VMOVDQU 96(AX), Y3;  \
	DPBUSD(2, 10, 0);    \
	DPBUSD(3, 11, 1);    \
	VMOVDQU 128(AX), Y2; \
	VMOVDQU 160(AX), Y3; \
	DPBUSD(2, 12, 0);    \
	DPBUSD(3, 13, 1);    \
	VMOVDQU 192(AX), Y2; \
	VMOVDQU 224(AX), Y3; \
	DPBUSD(2, 14, 0);    \
	DPBUSD(3, 15, 1);    \
	VPADDD  Y1, Y0, Y0

// func dotsLanesVNNI(dots *float32, quants, scales *byte, stride, rows int, masks *[64]uint64, lanes *byte, blocks int, scratch *byte, tokens uint64)
TEXT ·dotsLanesVNNI(SB), NOSPLIT, $8-80
	LANES
