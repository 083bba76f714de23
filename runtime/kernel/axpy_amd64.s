//go:build !noasm

#include "textflag.h"

// flip: the top bit of both nibbles. With it flipped, a nibble q is q-8 as a number of four bits with sign.
DATA flip<>+0(SB)/8, $0x8888888888888888
GLOBL flip<>(SB), RODATA|NOPTR, $8

// upper: the high nibble of every byte.
DATA upper<>+0(SB)/8, $0xf0f0f0f0f0f0f0f0
GLOBL upper<>(SB), RODATA|NOPTR, $8

// first and second: shuffles that bring bytes 0-7 and 8-15 to the top of a long each.
DATA first<>+0(SB)/8, $0x0180808000808080
DATA first<>+8(SB)/8, $0x0380808002808080
DATA first<>+16(SB)/8, $0x0580808004808080
DATA first<>+24(SB)/8, $0x0780808006808080
GLOBL first<>(SB), RODATA|NOPTR, $32
DATA second<>+0(SB)/8, $0x0980808008808080
DATA second<>+8(SB)/8, $0x0b8080800a808080
DATA second<>+16(SB)/8, $0x0d8080800c808080
DATA second<>+24(SB)/8, $0x0f8080800e808080
GLOBL second<>(SB), RODATA|NOPTR, $32

// small: 2⁻²⁸, which makes up for a quant at the top of a long.
DATA small<>+0(SB)/4, $0x31800000
GLOBL small<>(SB), RODATA|NOPTR, $4

// LOADSCALE puts the scale at (CX) times Y11 in Y8.
#define LOADSCALE \
	VPBROADCASTW (CX), X8;   \
	VCVTPH2PS    X8, Y8;     \
	VMULPS       Y11, Y8, Y8

// ADD adds Y8 times the longs of w to y(DI).
#define ADD(w, y) \
	VCVTDQ2PS   w, w;             \
	VFMADD213PS (y)(DI), Y8, w;   \
	VMOVUPS     w, (y)(DI)

// func axpyQ4AVX2(y []float32, f float32, quants, scales []byte)
TEXT ·axpyQ4AVX2(SB), NOSPLIT, $0-80
	MOVQ         y_base+0(FP), DI
	MOVQ         y_len+8(FP), AX
	VBROADCASTSS f+24(FP), Y11
	MOVQ         quants_base+32(FP), BX
	MOVQ         scales_base+56(FP), CX
	VBROADCASTSS small<>(SB), Y0
	VMULPS       Y0, Y11, Y11
	VPBROADCASTQ flip<>(SB), Y15
	VPBROADCASTQ upper<>(SB), Y14
	VMOVDQU      first<>(SB), Y13
	VMOVDQU      second<>(SB), Y12
	SUBQ         $32, AX
	JLT          done

block:
	VBROADCASTI128 (BX), Y0
	VPXOR          Y15, Y0, Y0
	VPSLLW         $4, Y0, Y2
	VPAND          Y14, Y0, Y0
	VPAND          Y14, Y2, Y2
	LOADSCALE
	VPSHUFB        Y12, Y2, Y3
	VPSHUFB        Y13, Y2, Y2
	VPSHUFB        Y12, Y0, Y1
	VPSHUFB        Y13, Y0, Y0
	ADD(Y2, 0)
	ADD(Y3, 32)
	ADD(Y0, 64)
	ADD(Y1, 96)
	ADDQ           $16, BX
	ADDQ           $2, CX
	ADDQ           $128, DI
	SUBQ           $32, AX
	JGE            block

done:
	VZEROUPPER
	RET

// func axpyQ8AVX2(y []float32, f float32, quants, scales []byte)
TEXT ·axpyQ8AVX2(SB), NOSPLIT, $0-80
	MOVQ         y_base+0(FP), DI
	MOVQ         y_len+8(FP), AX
	VBROADCASTSS f+24(FP), Y11
	MOVQ         quants_base+32(FP), BX
	MOVQ         scales_base+56(FP), CX
	SUBQ         $32, AX
	JLT          done

block:
	LOADSCALE
	VPMOVSXBD 0(BX), Y0
	VPMOVSXBD 8(BX), Y1
	VPMOVSXBD 16(BX), Y2
	VPMOVSXBD 24(BX), Y3
	ADD(Y0, 0)
	ADD(Y1, 32)
	ADD(Y2, 64)
	ADD(Y3, 96)
	ADDQ      $32, BX
	ADDQ      $2, CX
	ADDQ      $128, DI
	SUBQ      $32, AX
	JGE       block

done:
	VZEROUPPER
	RET
