//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"
#include "lanes_amd64.h"

// MULTIPLY: see lanes_amd64.h. The words that VPMADDUBSW leaves are at most 2·15·127, so that eight of them can be added.
#define MULTIPLY \
	VPMADDUBSW 0(AX), Y8, Y0;    \
	VPMADDUBSW 32(AX), Y9, Y1;   \
	VPMADDUBSW 64(AX), Y10, Y2;  \
	VPMADDUBSW 96(AX), Y11, Y3;  \
	VPADDW     Y1, Y0, Y0;       \
	VPADDW     Y3, Y2, Y2;       \
	VPMADDUBSW 128(AX), Y12, Y1; \
	VPMADDUBSW 160(AX), Y13, Y3; \
	VPADDW     Y1, Y0, Y0;       \
	VPADDW     Y3, Y2, Y2;       \
	VPMADDUBSW 192(AX), Y14, Y1; \
	VPMADDUBSW 224(AX), Y15, Y3; \
	VPADDW     Y1, Y0, Y0;       \
	VPADDW     Y3, Y2, Y2;       \
	VPADDW     Y2, Y0, Y0;       \
	VPMADDWD   Y5, Y0, Y0;       \
	VPADDD     288(AX), Y0, Y0

// func dotsLanesAVX2(dots *float32, quants, scales *byte, stride, rows int, masks *[64]uint64, lanes *byte, blocks int, scratch *byte, tokens uint64)
TEXT ·dotsLanesAVX2(SB), NOSPLIT, $8-80
	LANES(UNPACK8Q4, nibble)

// func packLaneAVX2(to *byte, q *int8, d *float32, sum *int32, blocks, offset int)
TEXT ·packLaneAVX2(SB), NOSPLIT, $0-48
	MOVQ    to+0(FP), DI
	MOVQ    q+8(FP), SI
	MOVQ    d+16(FP), BX
	MOVQ    sum+24(FP), CX
	MOVQ    blocks+32(FP), DX
	VMOVDQU places8<>(SB), Y15
	XORQ    AX, AX
	SUBQ    offset+40(FP), AX
	VMOVQ   AX, X14
	VPBROADCASTD X14, Y14

eight:
	HALVES8(0, SI, Y0, Y4, Y8)
	HALVES8(64, SI, Y1, Y5, Y9)
	HALVES8(128, SI, Y2, Y6, Y10)
	HALVES8(192, SI, Y3, Y7, Y11)
	TRANSPOSE(Y0, Y1, Y2, Y3, Y8, Y9, Y10)
	TRANSPOSE(Y4, Y5, Y6, Y7, Y11, Y12, Y13)
	VPERMPS (BX), Y15, Y8
	VPERMD  (CX), Y15, Y9
	VPMULLD Y14, Y9, Y9
	VMOVDQU Y0, 0(DI)
	VMOVDQU Y1, 32(DI)
	VMOVDQU Y2, 64(DI)
	VMOVDQU Y3, 96(DI)
	VMOVDQU Y4, 128(DI)
	VMOVDQU Y5, 160(DI)
	VMOVDQU Y6, 192(DI)
	VMOVDQU Y7, 224(DI)
	VMOVUPS Y8, 256(DI)
	VMOVDQU Y9, 288(DI)
	ADDQ    $256, SI
	ADDQ    $32, BX
	ADDQ    $32, CX
	ADDQ    $const_lane8, DI
	SUBQ    $8, DX
	JNZ     eight
	VZEROUPPER
	RET
