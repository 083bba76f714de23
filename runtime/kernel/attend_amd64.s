//go:build !noasm

#include "textflag.h"

// KEY adds the products of eight numbers of a key at k with those of two queries in Y8 and Y9 to s0 and s1.
#define KEY(k, s0, s1) \
	VMOVUPS     k, Y10;       \
	VFMADD231PS Y8, Y10, s0;  \
	VFMADD231PS Y9, Y10, s1

// SUM4 leaves the sums of the eight floats of each of a, b, c and d in xa, the low half of a; x is scratch.
#define SUM4(a, b, c, d, xa, x) \
	VHADDPS      b, a, a;   \
	VHADDPS      d, c, c;   \
	VHADDPS      c, a, a;   \
	VEXTRACTF128 $1, a, x;  \
	VADDPS       x, xa, xa

// func scores2AVX2(dst, q, k []float32)
//
// Four positions at a time. R8 is the bytes in a row, R9-R11 the second to fourth key, R12 and R13 the queries.
TEXT ·scores2AVX2(SB), NOSPLIT, $0-72
	MOVQ dst_base+0(FP), DI
	MOVQ q_base+24(FP), R12
	MOVQ q_len+32(FP), R8
	MOVQ k_base+48(FP), SI
	MOVQ k_len+56(FP), DX
	SHLQ $2, DX
	SHLQ $1, R8                 // half of the floats, four bytes each
	LEAQ (R12)(R8*1), R13
	TESTQ DX, DX
	JZ   done

positions:
	LEAQ  (SI)(R8*1), R9
	LEAQ  (R9)(R8*1), R10
	LEAQ  (R10)(R8*1), R11
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	VPXOR Y4, Y4, Y4
	VPXOR Y5, Y5, Y5
	VPXOR Y6, Y6, Y6
	VPXOR Y7, Y7, Y7
	XORQ  AX, AX

eight:
	VMOVUPS (R12)(AX*1), Y8
	VMOVUPS (R13)(AX*1), Y9
	KEY((SI)(AX*1), Y0, Y4)
	KEY((R9)(AX*1), Y1, Y5)
	KEY((R10)(AX*1), Y2, Y6)
	KEY((R11)(AX*1), Y3, Y7)
	ADDQ    $32, AX
	CMPQ    AX, R8
	JLT     eight
	SUM4(Y0, Y1, Y2, Y3, X0, X8)
	SUM4(Y4, Y5, Y6, Y7, X4, X9)
	VMOVUPS X0, (DI)
	VMOVUPS X4, 128(DI)         // PositionTile floats further
	ADDQ    $16, DI
	LEAQ    (R11)(R8*1), SI
	MOVQ    R8, AX
	SHLQ    $2, AX
	SUBQ    AX, DX
	JGT     positions

done:
	VZEROUPPER
	RET

// func addWeighted2AVX2(out, p, v []float32)
//
// 32 columns at a time. R8 is the bytes in a row, R12 the second row of out.
TEXT ·addWeighted2AVX2(SB), NOSPLIT, $0-72
	MOVQ out_base+0(FP), DI
	MOVQ out_len+8(FP), R8
	MOVQ p_base+24(FP), BX
	MOVQ v_base+48(FP), SI
	MOVQ v_len+56(FP), DX
	SHLQ $2, DX
	SHLQ $1, R8
	LEAQ (DI)(R8*1), R12
	ADDQ SI, DX                 // end of v
	XORQ CX, CX                 // column, in bytes

columns:
	VMOVUPS 0(DI)(CX*1), Y0
	VMOVUPS 32(DI)(CX*1), Y1
	VMOVUPS 64(DI)(CX*1), Y2
	VMOVUPS 96(DI)(CX*1), Y3
	VMOVUPS 0(R12)(CX*1), Y4
	VMOVUPS 32(R12)(CX*1), Y5
	VMOVUPS 64(R12)(CX*1), Y6
	VMOVUPS 96(R12)(CX*1), Y7
	MOVQ    BX, R9
	LEAQ    (SI)(CX*1), R10

position:
	CMPQ         R10, DX
	JGE          store
	VBROADCASTSS (R9), Y8
	VBROADCASTSS 128(R9), Y9    // PositionTile floats further
	VMOVUPS      0(R10), Y10
	VMOVUPS      32(R10), Y11
	VMOVUPS      64(R10), Y12
	VMOVUPS      96(R10), Y13
	VFMADD231PS  Y8, Y10, Y0
	VFMADD231PS  Y8, Y11, Y1
	VFMADD231PS  Y8, Y12, Y2
	VFMADD231PS  Y8, Y13, Y3
	VFMADD231PS  Y9, Y10, Y4
	VFMADD231PS  Y9, Y11, Y5
	VFMADD231PS  Y9, Y12, Y6
	VFMADD231PS  Y9, Y13, Y7
	ADDQ         $4, R9
	ADDQ         R8, R10
	JMP          position

store:
	VMOVUPS Y0, 0(DI)(CX*1)
	VMOVUPS Y1, 32(DI)(CX*1)
	VMOVUPS Y2, 64(DI)(CX*1)
	VMOVUPS Y3, 96(DI)(CX*1)
	VMOVUPS Y4, 0(R12)(CX*1)
	VMOVUPS Y5, 32(R12)(CX*1)
	VMOVUPS Y6, 64(R12)(CX*1)
	VMOVUPS Y7, 96(R12)(CX*1)
	ADDQ    $128, CX
	CMPQ    CX, R8
	JLT     columns
	VZEROUPPER
	RET

// The constants of exp, each as one float: exp(x) = 2ⁿ·exp(r), n = round(x/ln 2), r = x − n·ln 2 within ±ln 2/2, where a
// polynomial of degree six (that of Cephes' expf) is exact to two units in the last place.
DATA exp<>+0(SB)/4, $0x3fb8aa3b  // 1/ln 2
DATA exp<>+4(SB)/4, $0xbf318000  // −ln 2, upper bits
DATA exp<>+8(SB)/4, $0x395e8083  // −ln 2, lower bits
DATA exp<>+12(SB)/4, $0x39506967 // 1.9875691500e-4
DATA exp<>+16(SB)/4, $0x3ab743ce // 1.3981999507e-3
DATA exp<>+20(SB)/4, $0x3c088908 // 8.3334519073e-3
DATA exp<>+24(SB)/4, $0x3d2aa9c1 // 4.1665795894e-2
DATA exp<>+28(SB)/4, $0x3e2aaaaa // 1.6666665459e-1
DATA exp<>+32(SB)/4, $0x3f000000 // 0.5
DATA exp<>+36(SB)/4, $0x3f800000 // 1
DATA exp<>+40(SB)/4, $0xc2aeac50 // −87.33655: below, exp is no normal number and becomes 0
DATA exp<>+44(SB)/4, $127
GLOBL exp<>(SB), RODATA|NOPTR, $48

// tail: eight longs of −1 and eight of 0. The eight from 8−n on mask n floats.
DATA tail<>+0(SB)/8, $-1
DATA tail<>+8(SB)/8, $-1
DATA tail<>+16(SB)/8, $-1
DATA tail<>+24(SB)/8, $-1
DATA tail<>+32(SB)/8, $0
DATA tail<>+40(SB)/8, $0
DATA tail<>+48(SB)/8, $0
DATA tail<>+56(SB)/8, $0
GLOBL tail<>(SB), RODATA|NOPTR, $64

// EXP leaves exp(Y0 − Y15) in Y0. NaN stays NaN.
#define EXP \
	VSUBPS       Y15, Y0, Y0;      \
	VBROADCASTSS exp<>+40(SB), Y1; \
	VCMPPS       $0x11, Y1, Y0, Y5; \
	VMAXPS       Y0, Y1, Y0;       \
	VMULPS       Y14, Y0, Y2;      \
	VROUNDPS     $8, Y2, Y2;       \
	VFMADD231PS  Y13, Y2, Y0;      \
	VFMADD231PS  Y12, Y2, Y0;      \
	VCVTPS2DQ    Y2, Y2;           \
	VPADDD       Y11, Y2, Y2;      \
	VPSLLD       $23, Y2, Y2;      \
	VBROADCASTSS exp<>+12(SB), Y3; \
	VBROADCASTSS exp<>+16(SB), Y4; \
	VFMADD213PS  Y4, Y0, Y3;       \
	VFMADD213PS  Y10, Y0, Y3;      \
	VFMADD213PS  Y9, Y0, Y3;       \
	VFMADD213PS  Y8, Y0, Y3;       \
	VFMADD213PS  Y7, Y0, Y3;       \
	VMULPS       Y0, Y0, Y4;       \
	VFMADD213PS  Y0, Y4, Y3;       \
	VBROADCASTSS exp<>+36(SB), Y4; \
	VADDPS       Y4, Y3, Y3;       \
	VMULPS       Y2, Y3, Y0;       \
	VANDNPS      Y0, Y5, Y0

// func expSumAVX2(x []float32, m float32) float32
TEXT ·expSumAVX2(SB), NOSPLIT, $0-36
	MOVQ         x_base+0(FP), DI
	MOVQ         x_len+8(FP), AX
	VBROADCASTSS m+24(FP), Y15
	VBROADCASTSS exp<>+0(SB), Y14
	VBROADCASTSS exp<>+4(SB), Y13
	VBROADCASTSS exp<>+8(SB), Y12
	VPBROADCASTD exp<>+44(SB), Y11
	VBROADCASTSS exp<>+20(SB), Y10
	VBROADCASTSS exp<>+24(SB), Y9
	VBROADCASTSS exp<>+28(SB), Y8
	VBROADCASTSS exp<>+32(SB), Y7
	VXORPS       Y6, Y6, Y6
	SUBQ         $8, AX
	JLT          rest

eight:
	VMOVUPS (DI), Y0
	EXP
	VMOVUPS Y0, (DI)
	VADDPS  Y0, Y6, Y6
	ADDQ    $32, DI
	SUBQ    $8, AX
	JGE     eight

rest:
	ADDQ       $8, AX
	JZ         done
	NEGQ       AX
	LEAQ       tail<>+32(SB), BX
	VMOVDQU    (BX)(AX*4), Y5
	VMASKMOVPS (DI), Y5, Y0
	EXP
	VMOVDQU    (BX)(AX*4), Y5
	VANDPS     Y5, Y0, Y0
	VMASKMOVPS Y0, Y5, (DI)
	VADDPS     Y0, Y6, Y6

done:
	VEXTRACTF128 $1, Y6, X0
	VADDPS       X0, X6, X6
	VHADDPS      X6, X6, X6
	VHADDPS      X6, X6, X6
	VMOVSS       X6, ret+32(FP)
	VZEROUPPER
	RET
