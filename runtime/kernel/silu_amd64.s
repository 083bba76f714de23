//go:build !noasm

#include "textflag.h"

// The constants of silu_generic.go.
DATA silu<>+0(SB)/4, $0x3fb8aa3b  // 1/ln 2
DATA silu<>+4(SB)/4, $0x3f318000  // ln 2, upper bits
DATA silu<>+8(SB)/4, $0xb95e8083  // ln 2, lower bits
DATA silu<>+12(SB)/4, $0x39506967 // the polynomial
DATA silu<>+16(SB)/4, $0x3ab743ce
DATA silu<>+20(SB)/4, $0x3c088908
DATA silu<>+24(SB)/4, $0x3d2aa9c1
DATA silu<>+28(SB)/4, $0x3e2aaaaa
DATA silu<>+32(SB)/4, $0x3f000000
DATA silu<>+36(SB)/4, $0x3f800000 // 1
DATA silu<>+40(SB)/4, $0xc2f00000 // −120
DATA silu<>+44(SB)/4, $0x80000000 // the sign
DATA silu<>+48(SB)/4, $127
DATA silu<>+52(SB)/4, $0xc1400000 // −12
DATA silu<>+56(SB)/4, $0x3fcc422a // 2·√(2/π)
DATA silu<>+60(SB)/4, $0x3d922279 // that times 0.044715
GLOBL silu<>(SB), RODATA|NOPTR, $64

// tail: see attend_amd64.s.
DATA tail<>+0(SB)/8, $-1
DATA tail<>+8(SB)/8, $-1
DATA tail<>+16(SB)/8, $-1
DATA tail<>+24(SB)/8, $-1
DATA tail<>+32(SB)/8, $0
DATA tail<>+40(SB)/8, $0
DATA tail<>+48(SB)/8, $0
DATA tail<>+56(SB)/8, $0
GLOBL tail<>(SB), RODATA|NOPTR, $64

// TERM makes p = p·r + c, r in Y1 and p in Y3.
#define TERM(c) \
	VMULPS       Y1, Y3, Y3;          \
	VBROADCASTSS silu<>+(c)(SB), Y4;  \
	VADDPS       Y4, Y3, Y3

// LOGISTIC leaves x/(1 + exp(−z)) in Y0, where Y0 is x, Y1 has |z| with the sign of −1, and both have the same sign. Y1 becomes r, Y2 n,
// Y3 p, Y4 and Y5 the parts of 2ⁿ, Y6 1 + t. Blends go by the sign of x.
#define LOGISTIC \
	VMAXPS       Y1, Y9, Y1;          \
	VMULPS       Y15, Y1, Y2;         \
	VROUNDPS     $8, Y2, Y2;          \
	VMULPS       Y14, Y2, Y3;         \
	VSUBPS       Y3, Y1, Y1;          \
	VMULPS       Y13, Y2, Y3;         \
	VSUBPS       Y3, Y1, Y1;          \
	VCVTPS2DQ    Y2, Y2;              \
	VBROADCASTSS silu<>+12(SB), Y3;   \
	TERM(16);                         \
	TERM(20);                         \
	TERM(24);                         \
	TERM(28);                         \
	TERM(32);                         \
	VMULPS       Y1, Y1, Y4;          \
	VMULPS       Y4, Y3, Y3;          \
	VADDPS       Y1, Y3, Y3;          \
	VADDPS       Y11, Y3, Y3;         \
	VPSRAD       $1, Y2, Y4;          \
	VPSUBD       Y4, Y2, Y5;          \
	VPADDD       Y12, Y4, Y4;         \
	VPADDD       Y12, Y5, Y5;         \
	VPSLLD       $23, Y4, Y4;         \
	VPSLLD       $23, Y5, Y5;         \
	VMULPS       Y4, Y3, Y6;          \
	VMULPS       Y5, Y6, Y6;          \
	VADDPS       Y11, Y6, Y6;         \
	VMULPS       Y3, Y0, Y3;          \
	VBLENDVPS    Y0, Y3, Y0, Y1;      \
	VDIVPS       Y6, Y1, Y1;          \
	VMULPS       Y4, Y1, Y2;          \
	VMULPS       Y5, Y2, Y2;          \
	VBLENDVPS    Y0, Y2, Y1, Y0

// SILU leaves silu(Y0) in Y0.
#define SILU \
	VMAXPS Y0, Y9, Y0;  \
	VORPS  Y10, Y0, Y1; \
	LOGISTIC

// GELU leaves gelu(Y0) in Y0. Y7 has −12.
#define GELU \
	VMAXPS       Y0, Y7, Y0;         \
	VMULPS       Y0, Y0, Y1;         \
	VBROADCASTSS silu<>+60(SB), Y2;  \
	VMULPS       Y2, Y1, Y1;         \
	VBROADCASTSS silu<>+56(SB), Y2;  \
	VADDPS       Y2, Y1, Y1;         \
	VMULPS       Y0, Y1, Y1;         \
	VORPS        Y10, Y1, Y1;        \
	LOGISTIC

// func siluMulAVX2(dst, gate, up []float32)
TEXT ·siluMulAVX2(SB), NOSPLIT, $0-72
	MOVQ         dst_base+0(FP), DI
	MOVQ         dst_len+8(FP), AX
	MOVQ         gate_base+24(FP), SI
	MOVQ         up_base+48(FP), BX
	VBROADCASTSS silu<>+0(SB), Y15
	VBROADCASTSS silu<>+4(SB), Y14
	VBROADCASTSS silu<>+8(SB), Y13
	VPBROADCASTD silu<>+48(SB), Y12
	VBROADCASTSS silu<>+36(SB), Y11
	VBROADCASTSS silu<>+44(SB), Y10
	VBROADCASTSS silu<>+40(SB), Y9
	SUBQ         $8, AX
	JLT          rest

eight:
	VMOVUPS (SI), Y0
	SILU
	VMULPS  (BX), Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ    $32, SI
	ADDQ    $32, BX
	ADDQ    $32, DI
	SUBQ    $8, AX
	JGE     eight

rest:
	ADDQ       $8, AX
	JZ         done
	NEGQ       AX
	LEAQ       tail<>+32(SB), CX
	VMOVDQU    (CX)(AX*4), Y8
	VMASKMOVPS (SI), Y8, Y0
	SILU
	VMASKMOVPS (BX), Y8, Y1
	VMULPS     Y1, Y0, Y0
	VMASKMOVPS Y0, Y8, (DI)

done:
	VZEROUPPER
	RET

// func geluMulAVX2(dst, gate, up []float32)
TEXT ·geluMulAVX2(SB), NOSPLIT, $0-72
	MOVQ         dst_base+0(FP), DI
	MOVQ         dst_len+8(FP), AX
	MOVQ         gate_base+24(FP), SI
	MOVQ         up_base+48(FP), BX
	VBROADCASTSS silu<>+0(SB), Y15
	VBROADCASTSS silu<>+4(SB), Y14
	VBROADCASTSS silu<>+8(SB), Y13
	VPBROADCASTD silu<>+48(SB), Y12
	VBROADCASTSS silu<>+36(SB), Y11
	VBROADCASTSS silu<>+44(SB), Y10
	VBROADCASTSS silu<>+40(SB), Y9
	VBROADCASTSS silu<>+52(SB), Y7
	SUBQ         $8, AX
	JLT          rest

eight:
	VMOVUPS (SI), Y0
	GELU
	VMULPS  (BX), Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ    $32, SI
	ADDQ    $32, BX
	ADDQ    $32, DI
	SUBQ    $8, AX
	JGE     eight

rest:
	ADDQ       $8, AX
	JZ         done
	NEGQ       AX
	LEAQ       tail<>+32(SB), CX
	VMOVDQU    (CX)(AX*4), Y8
	VMASKMOVPS (SI), Y8, Y0
	GELU
	VMASKMOVPS (BX), Y8, Y1
	VMULPS     Y1, Y0, Y0
	VMASKMOVPS Y0, Y8, (DI)

done:
	VZEROUPPER
	RET
