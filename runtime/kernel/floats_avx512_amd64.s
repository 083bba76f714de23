//go:build !noasm

#include "textflag.h"

// ROW adds the products of 32 numbers of a row at r with those of the vectors, in Z16-Z19, to the sums a0 and a1 of one and b0 and b1 of the other.
#define ROW(r, a0, a1, b0, b1) \
	VMOVUPS     (r)(AX*1), Z20;   \
	VMOVUPS     64(r)(AX*1), Z21; \
	VFMADD231PS Z16, Z20, a0;     \
	VFMADD231PS Z17, Z21, a1;     \
	VFMADD231PS Z18, Z20, b0;     \
	VFMADD231PS Z19, Z21, b1

// FOLD leaves the sums of z0 and z1, in the order of dotAVX2, in x0, as four.
#define FOLD(z0, y0, x0, z1, y1, x1) \
	VEXTRACTF64X4 $1, z0, Y22; \
	VADDPS        Y22, y0, y0; \
	VEXTRACTF64X4 $1, z1, Y22; \
	VADDPS        Y22, y1, y1; \
	VADDPS        y1, y0, y0;  \
	VEXTRACTF128  $1, y0, x1;  \
	VADDPS        x1, x0, x0

#define LOAD2(i, a, b) \
	VMOVUPS (128*i)(DX), a;   \
	VMOVUPS (128*i+64)(DX), b

#define STORE2(i, a, b) \
	VMOVUPS a, (128*i)(DX);   \
	VMOVUPS b, (128*i+64)(DX)

// func dots4x2AVX512(dots *[8]float32, sums *dotSums, rows *[4][]float32, a, b []float32, first bool)
//
// R8-R11 are the rows, SI and DI the vectors; the sums of row r and vector v are in Z(4r+2v) and the next register.
TEXT ·dots4x2AVX512(SB), NOSPLIT, $0-73
	MOVQ   sums+8(FP), DX
	MOVQ   rows+16(FP), BX
	MOVQ   a_base+24(FP), SI
	MOVQ   a_len+32(FP), CX
	MOVQ   b_base+48(FP), DI
	MOVQ   0(BX), R8
	MOVQ   24(BX), R9
	MOVQ   48(BX), R10
	MOVQ   72(BX), R11
	SHLQ   $2, CX
	XORQ   AX, AX
	CMPB   first+72(FP), $0
	JEQ    further
	VPXORQ Z0, Z0, Z0
	VPXORQ Z1, Z1, Z1
	VPXORQ Z2, Z2, Z2
	VPXORQ Z3, Z3, Z3
	VPXORQ Z4, Z4, Z4
	VPXORQ Z5, Z5, Z5
	VPXORQ Z6, Z6, Z6
	VPXORQ Z7, Z7, Z7
	VPXORQ Z8, Z8, Z8
	VPXORQ Z9, Z9, Z9
	VPXORQ Z10, Z10, Z10
	VPXORQ Z11, Z11, Z11
	VPXORQ Z12, Z12, Z12
	VPXORQ Z13, Z13, Z13
	VPXORQ Z14, Z14, Z14
	VPXORQ Z15, Z15, Z15
	JMP    loop

further:
	LOAD2(0, Z0, Z1)
	LOAD2(1, Z2, Z3)
	LOAD2(2, Z4, Z5)
	LOAD2(3, Z6, Z7)
	LOAD2(4, Z8, Z9)
	LOAD2(5, Z10, Z11)
	LOAD2(6, Z12, Z13)
	LOAD2(7, Z14, Z15)

loop:
	VMOVUPS (SI)(AX*1), Z16
	VMOVUPS 64(SI)(AX*1), Z17
	VMOVUPS (DI)(AX*1), Z18
	VMOVUPS 64(DI)(AX*1), Z19
	ROW(R8, Z0, Z1, Z2, Z3)
	ROW(R9, Z4, Z5, Z6, Z7)
	ROW(R10, Z8, Z9, Z10, Z11)
	ROW(R11, Z12, Z13, Z14, Z15)
	ADDQ    $128, AX
	CMPQ    AX, CX
	JLT     loop

	MOVQ    dots+0(FP), DI
	TESTQ   DI, DI
	JZ      store
	FOLD(Z0, Y0, X0, Z1, Y1, X1)
	FOLD(Z2, Y2, X2, Z3, Y3, X3)
	FOLD(Z4, Y4, X4, Z5, Y5, X5)
	FOLD(Z6, Y6, X6, Z7, Y7, X7)
	FOLD(Z8, Y8, X8, Z9, Y9, X9)
	FOLD(Z10, Y10, X10, Z11, Y11, X11)
	FOLD(Z12, Y12, X12, Z13, Y13, X13)
	FOLD(Z14, Y14, X14, Z15, Y15, X15)
	VHADDPS X2, X0, X0
	VHADDPS X6, X4, X4
	VHADDPS X10, X8, X8
	VHADDPS X14, X12, X12
	VHADDPS X4, X0, X0
	VHADDPS X12, X8, X8
	VMOVUPS X0, (DI)
	VMOVUPS X8, 16(DI)
	VZEROUPPER
	RET

store:
	STORE2(0, Z0, Z1)
	STORE2(1, Z2, Z3)
	STORE2(2, Z4, Z5)
	STORE2(3, Z6, Z7)
	STORE2(4, Z8, Z9)
	STORE2(5, Z10, Z11)
	STORE2(6, Z12, Z13)
	STORE2(7, Z14, Z15)
	VZEROUPPER
	RET
