//go:build !noasm

#include "textflag.h"
#include "avx2_amd64.h"

#define ROW4(r, a0, a1, a2, a3) \
	VFMADD231PS (r)(AX*1), Y12, a0;   \
	VFMADD231PS 32(r)(AX*1), Y13, a1; \
	VFMADD231PS 64(r)(AX*1), Y14, a2; \
	VFMADD231PS 96(r)(AX*1), Y15, a3

#define LOAD4(i, a, b, c, d) \
	VMOVUPS (128*i)(DX), a;    \
	VMOVUPS (128*i+32)(DX), b; \
	VMOVUPS (128*i+64)(DX), c; \
	VMOVUPS (128*i+96)(DX), d

#define STORE4(i, a, b, c, d) \
	VMOVUPS a, (128*i)(DX);    \
	VMOVUPS b, (128*i+32)(DX); \
	VMOVUPS c, (128*i+64)(DX); \
	VMOVUPS d, (128*i+96)(DX)

// SUM stores the sum of what is in four registers, in the order of dotAVX2, at to.
#define SUM(a, b, c, d, x, to) \
	VADDPS b, a, a;    \
	VADDPS d, c, c;    \
	VADDPS c, a, a;    \
	HSUM(a, x, X12);   \
	VMOVSS x, to

// func dots3AVX2(dots *[8]float32, sums *dotSums, rows *[4][]float32, a []float32, first bool)
//
// R8-R10 are the rows, SI the vector; the sums of row r are in Y(4r) and the next three registers.
TEXT ·dots3AVX2(SB), NOSPLIT, $0-49
	MOVQ sums+8(FP), DX
	MOVQ rows+16(FP), BX
	MOVQ a_base+24(FP), SI
	MOVQ a_len+32(FP), CX
	MOVQ 0(BX), R8
	MOVQ 24(BX), R9
	MOVQ 48(BX), R10
	SHLQ $2, CX
	XORQ AX, AX
	CMPB first+48(FP), $0
	JEQ  further
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	VPXOR Y4, Y4, Y4
	VPXOR Y5, Y5, Y5
	VPXOR Y6, Y6, Y6
	VPXOR Y7, Y7, Y7
	VPXOR Y8, Y8, Y8
	VPXOR Y9, Y9, Y9
	VPXOR Y10, Y10, Y10
	VPXOR Y11, Y11, Y11
	JMP  loop

further:
	LOAD4(0, Y0, Y1, Y2, Y3)
	LOAD4(1, Y4, Y5, Y6, Y7)
	LOAD4(2, Y8, Y9, Y10, Y11)

loop:
	VMOVUPS (SI)(AX*1), Y12
	VMOVUPS 32(SI)(AX*1), Y13
	VMOVUPS 64(SI)(AX*1), Y14
	VMOVUPS 96(SI)(AX*1), Y15
	ROW4(R8, Y0, Y1, Y2, Y3)
	ROW4(R9, Y4, Y5, Y6, Y7)
	ROW4(R10, Y8, Y9, Y10, Y11)
	ADDQ $128, AX
	CMPQ AX, CX
	JLT  loop

	MOVQ  dots+0(FP), DI
	TESTQ DI, DI
	JZ    store
	SUM(Y0, Y1, Y2, Y3, X0, 0(DI))
	SUM(Y4, Y5, Y6, Y7, X4, 8(DI))
	SUM(Y8, Y9, Y10, Y11, X8, 16(DI))
	VZEROUPPER
	RET

store:
	STORE4(0, Y0, Y1, Y2, Y3)
	STORE4(1, Y4, Y5, Y6, Y7)
	STORE4(2, Y8, Y9, Y10, Y11)
	VZEROUPPER
	RET
