//go:build !noasm

#include "textflag.h"
#include "neon_arm64.h"

// Rows of F16 or BF16 numbers are widened in registers: dotNEON and axpyNEON of them need no decoded row in between. LOW(d, n) leaves the lower four
// numbers of n in d, and HIGH the upper ones.

// DOT multiplies the row at R0 with the vector at R1, of R2 numbers. It prefetches what lies R4 bytes ahead in the row, or behind it.
#define DOT(LOW, HIGH) \
	MOVD row_base+0(FP), R0; \
	MOVD x_base+24(FP), R1; \
	MOVD x_len+32(FP), R2; \
	MOVD ahead+48(FP), R4; \
	ZERO(0); \
	ZERO(1); \
	ZERO(2); \
	ZERO(3); \
	ZERO(4); \
	ZERO(5); \
	ZERO(6); \
	ZERO(7); \
	SUBS $32, R2; \
	BLT  fours; \
loop: \
	FLDPQ 0(R0), (F16, F18); \
	FLDPQ 32(R0), (F20, F22); \
	FLDPQ 0(R1), (F24, F25); \
	FLDPQ 32(R1), (F26, F27); \
	FLDPQ 64(R1), (F28, F29); \
	FLDPQ 96(R1), (F30, F31); \
	ADD  R4, R0, R5; \
	PRFM (R5), PLDL1KEEP; \
	HIGH(17, 16); \
	LOW(16, 16); \
	HIGH(19, 18); \
	LOW(18, 18); \
	HIGH(21, 20); \
	LOW(20, 20); \
	HIGH(23, 22); \
	LOW(22, 22); \
	FMLA(0, 16, 24); \
	FMLA(1, 17, 25); \
	FMLA(2, 18, 26); \
	FMLA(3, 19, 27); \
	FMLA(4, 20, 28); \
	FMLA(5, 21, 29); \
	FMLA(6, 22, 30); \
	FMLA(7, 23, 31); \
	ADD  $64, R0; \
	ADD  $128, R1; \
	SUBS $32, R2; \
	BGE  loop; \
fours: \
	ADDS $28, R2; \
	BLT  rest; \
four: \
	FMOVD.P 8(R0), F16; \
	LOW(16, 16); \
	FMOVQ.P 16(R1), F24; \
	FMLA(0, 16, 24); \
	SUBS $4, R2; \
	BGE  four; \
rest: \
	ADDS $4, R2; \
	BEQ  sum; \
one: \
	MOVHU.P 2(R0), R3; \
	FMOVS R3, F16; \
	LOW(16, 16); \
	FMOVS.P 4(R1), F24; \
	FMLA(1, 16, 24); \
	SUBS $1, R2; \
	BNE  one; \
sum: \
	FADD(0, 0, 4); \
	FADD(1, 1, 5); \
	FADD(2, 2, 6); \
	FADD(3, 3, 7); \
	FADD(0, 0, 1); \
	FADD(2, 2, 3); \
	FADD(0, 0, 2); \
	HSUM(0); \
	FMOVS F0, ret+56(FP); \
	RET

// AXPY adds f times the row at R1 to the numbers at R0, R2 of them.
#define AXPY(LOW, HIGH) \
	MOVD dst_base+0(FP), R0; \
	MOVD dst_len+8(FP), R2; \
	FMOVS f+24(FP), F31; \
	MOVD row_base+32(FP), R1; \
	SUBS $32, R2; \
	BLT  fours; \
loop: \
	FLDPQ 0(R1), (F16, F18); \
	FLDPQ 32(R1), (F20, F22); \
	FLDPQ 0(R0), (F0, F1); \
	FLDPQ 32(R0), (F2, F3); \
	FLDPQ 64(R0), (F4, F5); \
	FLDPQ 96(R0), (F6, F7); \
	HIGH(17, 16); \
	LOW(16, 16); \
	HIGH(19, 18); \
	LOW(18, 18); \
	HIGH(21, 20); \
	LOW(20, 20); \
	HIGH(23, 22); \
	LOW(22, 22); \
	FMLAE(0, 16, 31, 0); \
	FMLAE(1, 17, 31, 0); \
	FMLAE(2, 18, 31, 0); \
	FMLAE(3, 19, 31, 0); \
	FMLAE(4, 20, 31, 0); \
	FMLAE(5, 21, 31, 0); \
	FMLAE(6, 22, 31, 0); \
	FMLAE(7, 23, 31, 0); \
	FSTPQ (F0, F1), 0(R0); \
	FSTPQ (F2, F3), 32(R0); \
	FSTPQ (F4, F5), 64(R0); \
	FSTPQ (F6, F7), 96(R0); \
	ADD  $128, R0; \
	ADD  $64, R1; \
	SUBS $32, R2; \
	BGE  loop; \
fours: \
	ADDS $28, R2; \
	BLT  rest; \
four: \
	FMOVQ (R0), F0; \
	FMOVD.P 8(R1), F16; \
	LOW(16, 16); \
	FMLAE(0, 16, 31, 0); \
	FMOVQ.P F0, 16(R0); \
	SUBS $4, R2; \
	BGE  four; \
rest: \
	ADDS $4, R2; \
	BEQ  done; \
one: \
	FMOVS (R0), F0; \
	MOVHU.P 2(R1), R3; \
	FMOVS R3, F16; \
	LOW(16, 16); \
	FMLAE(0, 16, 31, 0); \
	FMOVS.P F0, 4(R0); \
	SUBS $1, R2; \
	BNE  one; \
done: \
	RET

// func dotF16NEON(row []byte, x []float32, ahead int) float32
TEXT ·dotF16NEON(SB), NOSPLIT, $0-60
	DOT(FCVTL, FCVTL2)

// func dotBF16NEON(row []byte, x []float32, ahead int) float32
TEXT ·dotBF16NEON(SB), NOSPLIT, $0-60
	DOT(SHLL16, SHLL16H)

// func axpyF16NEON(dst []float32, f float32, row []byte)
TEXT ·axpyF16NEON(SB), NOSPLIT, $0-56
	AXPY(FCVTL, FCVTL2)

// func axpyBF16NEON(dst []float32, f float32, row []byte)
TEXT ·axpyBF16NEON(SB), NOSPLIT, $0-56
	AXPY(SHLL16, SHLL16H)
