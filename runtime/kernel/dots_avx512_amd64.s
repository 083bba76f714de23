//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"

// across: the blocks 4r+l of sixteen, for r = 0…3 in each lane l.
DATA across<>+0(SB)/8, $0x0000000400000000
DATA across<>+8(SB)/8, $0x0000000c00000008
DATA across<>+16(SB)/8, $0x0000000500000001
DATA across<>+24(SB)/8, $0x0000000d00000009
DATA across<>+32(SB)/8, $0x0000000600000002
DATA across<>+40(SB)/8, $0x0000000e0000000a
DATA across<>+48(SB)/8, $0x0000000700000003
DATA across<>+56(SB)/8, $0x0000000f0000000b
GLOBL across<>(SB), RODATA|NOPTR, $64

// UNPACK4 stores the nibbles of four blocks at w(BX) as bytes at l(DI): the low ones, then the high ones.
#define UNPACK4(w, l, lo, hi) \
	VMOVDQU64 (w)(BX), lo;     \
	VPSRLW    $4, lo, hi;      \
	VPANDQ    Z31, lo, lo;     \
	VPANDQ    Z31, hi, hi;     \
	VMOVDQU64 lo, (l)(DI);     \
	VMOVDQU64 hi, (l+64)(DI)

// SUM4 leaves the products of four blocks of weights at 128·r(R12) with those of the activations at 128·r(SI) in acc, in four longs each.
#define SUM4(r, acc, lo, hi) \
	VMOVDQU64 (128*r)(R12), lo;     \
	VMOVDQU64 (128*r+64)(R12), hi;  \
	VPXORQ    acc, acc, acc;        \
	VPDPBUSD  (128*r)(SI), lo, acc; \
	VPDPBUSD  (128*r+64)(SI), hi, acc

// func dotsQ4AVX512(dots *float32, quants, scales []byte, lanes *wideLane, tokens []int32, blocks int, lines *byte)
//
// First the row is unpacked to lines, sixteen blocks at a time, with their scales in the order of the sums; then each vector takes it from there. Four
// longs of a block's products become one by two steps of words, which hold sums of 8 and of 16 products of at most 15·127.
TEXT ·dotsQ4AVX512(SB), NOSPLIT, $0-104
	MOVQ         quants_base+8(FP), BX
	MOVQ         scales_base+32(FP), CX
	MOVQ         blocks+88(FP), DX
	MOVQ         lines+96(FP), DI
	VPBROADCASTQ nibble<>(SB), Z31
	VMOVDQU64    across<>(SB), Z30
	VPXORQ       Z29, Z29, Z29
	SUBQ         $16, DX
	JLT          half

sixteen:
	UNPACK4(0, 0, Z0, Z1)
	UNPACK4(64, 128, Z2, Z3)
	UNPACK4(128, 256, Z4, Z5)
	UNPACK4(192, 384, Z6, Z7)
	VCVTPH2PS (CX), Z8
	VPERMPS   Z8, Z30, Z8
	VMOVUPS   Z8, 512(DI)
	ADDQ      $256, BX
	ADDQ      $32, CX
	ADDQ      $576, DI
	SUBQ      $16, DX
	JGE       sixteen

half:
	// Eight blocks may be left: the others are zero.
	ADDQ      $16, DX
	JZ        vectors
	UNPACK4(0, 0, Z0, Z1)
	UNPACK4(64, 128, Z2, Z3)
	VMOVDQU64 Z29, 256(DI)
	VMOVDQU64 Z29, 320(DI)
	VMOVDQU64 Z29, 384(DI)
	VMOVDQU64 Z29, 448(DI)
	VCVTPH2PS (CX), Y8
	VPERMPS   Z8, Z30, Z8
	VMOVUPS   Z8, 512(DI)

vectors:
	MOVQ         dots+0(FP), DI
	MOVQ         lanes+56(FP), R10
	MOVQ         tokens_base+64(FP), R8
	MOVQ         tokens_len+72(FP), R9
	VPBROADCASTQ ones<>(SB), Z31
	TESTQ        R9, R9
	JZ           done

vector:
	MOVLQSX (R8), AX
	SHLQ    $4, AX
	MOVQ    wideLane_q(R10)(AX*1), SI
	MOVQ    wideLane_meta(R10)(AX*1), R11
	MOVQ    lines+96(FP), R12
	MOVQ    blocks+88(FP), DX
	VPXORQ  Z8, Z8, Z8

blocks:
	SUM4(0, Z0, Z16, Z17)
	SUM4(1, Z1, Z18, Z19)
	SUM4(2, Z2, Z20, Z21)
	SUM4(3, Z3, Z22, Z23)
	VPACKSSDW   Z1, Z0, Z0
	VPACKSSDW   Z3, Z2, Z2
	VPMADDWD    Z31, Z0, Z0
	VPMADDWD    Z31, Z2, Z2
	VPACKSSDW   Z2, Z0, Z0
	VPMADDWD    Z31, Z0, Z0
	VMOVUPS     512(R12), Z4
	VMULPS      (R11), Z4, Z4
	VCVTDQ2PS   Z0, Z0
	VSUBPS      64(R11), Z0, Z0
	VFMADD231PS Z4, Z0, Z8
	ADDQ        $512, SI
	ADDQ        $128, R11
	ADDQ        $576, R12
	SUBQ        $16, DX
	JGT         blocks

	VEXTRACTF64X4 $1, Z8, Y0
	VADDPS        Y0, Y8, Y8
	VEXTRACTF128  $1, Y8, X0
	VADDPS        X0, X8, X8
	VHADDPS       X8, X8, X8
	VHADDPS       X8, X8, X8
	VMOVSS        X8, (DI)
	ADDQ          $4, DI
	ADDQ          $4, R8
	DECQ          R9
	JNZ           vector

done:
	VZEROUPPER
	RET
