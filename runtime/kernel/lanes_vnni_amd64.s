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

// UNPACK8Q8 is UNPACK8Q4 for Q8_0 blocks, which get 128 more in each byte. Y7 is flip8.
#define UNPACK8Q8 \
	HALVES8(0, R8, Y8, Y12, Y0);    \
	HALVES8(64, R8, Y9, Y13, Y0);   \
	HALVES8(128, R8, Y10, Y14, Y0); \
	HALVES8(192, R8, Y11, Y15, Y0); \
	PREFETCHT0 0(R8)(AX*1);         \
	PREFETCHT0 64(R8)(AX*1);        \
	PREFETCHT0 128(R8)(AX*1);       \
	PREFETCHT0 192(R8)(AX*1);       \
	TRANSPOSE(Y8, Y9, Y10, Y11, Y0, Y1, Y2);   \
	TRANSPOSE(Y12, Y13, Y14, Y15, Y0, Y1, Y2); \
	VPXOR      Y7, Y8, Y8;          \
	VPXOR      Y7, Y9, Y9;          \
	VPXOR      Y7, Y10, Y10;        \
	VPXOR      Y7, Y11, Y11;        \
	VPXOR      Y7, Y12, Y12;        \
	VPXOR      Y7, Y13, Y13;        \
	VPXOR      Y7, Y14, Y14;        \
	VPXOR      Y7, Y15, Y15;        \
	ADDQ       $256, R8

// func dotsLanesVNNI(dots *float32, quants, scales *byte, stride, rows int, masks *[64]uint64, lanes *byte, blocks int, scratch *byte, tokens uint64)
TEXT ·dotsLanesVNNI(SB), NOSPLIT, $8-80
	LANES(UNPACK8Q4, nibble)

// func dotsLanesQ8VNNI(dots *float32, quants, scales *byte, stride, rows int, masks *[64]uint64, lanes *byte, blocks int, scratch *byte, tokens uint64)
TEXT ·dotsLanesQ8VNNI(SB), NOSPLIT, $8-80
	LANES(UNPACK8Q8, flip8)
