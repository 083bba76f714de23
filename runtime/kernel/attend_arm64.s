//go:build !noasm

#include "textflag.h"
#include "neon_arm64.h"

// SUM4 leaves the sums of registers a…a+3, four floats each, in a; a+8…a+11 are added to them.
#define SUM4(a) \
	FADD(a, a, a+8);        \
	FADD(a+1, a+1, a+9);    \
	FADD(a+2, a+2, a+10);   \
	FADD(a+3, a+3, a+11);   \
	FADDP(a, a, a+1);       \
	FADDP(a+2, a+2, a+3);   \
	FADDP(a, a, a+2)

// func scores2NEON(dst, q, k []float32)
//
// Four positions at a time. R4 is the bytes in a row, R5 and R6 the queries, R7-R10 the keys. Sums are V0-V3 and V8-V11 for
// the first query, V4-V7 and V12-V15 for the second.
TEXT ·scores2NEON(SB), NOSPLIT, $0-72
	MOVD dst_base+0(FP), R0
	MOVD q_base+24(FP), R1
	MOVD q_len+32(FP), R4
	MOVD k_base+48(FP), R7
	MOVD k_len+56(FP), R3
	LSL  $1, R4              // half of the floats, four bytes each
	CBZ  R3, done

positions:
	MOVD R1, R5
	ADD  R4, R1, R6
	ADD  R4, R7, R8
	ADD  R4, R8, R9
	ADD  R4, R9, R10
	MOVD R4, R11
	ZERO(0)
	ZERO(1)
	ZERO(2)
	ZERO(3)
	ZERO(4)
	ZERO(5)
	ZERO(6)
	ZERO(7)
	ZERO(8)
	ZERO(9)
	ZERO(10)
	ZERO(11)
	ZERO(12)
	ZERO(13)
	ZERO(14)
	ZERO(15)

eight:
	FLDPQ.P 32(R5), (F16, F17)
	FLDPQ.P 32(R6), (F18, F19)
	FLDPQ.P 32(R7), (F24, F25)
	FLDPQ.P 32(R8), (F26, F27)
	FLDPQ.P 32(R9), (F28, F29)
	FLDPQ.P 32(R10), (F30, F31)
	FMLA(0, 24, 16)
	FMLA(1, 26, 16)
	FMLA(2, 28, 16)
	FMLA(3, 30, 16)
	FMLA(4, 24, 18)
	FMLA(5, 26, 18)
	FMLA(6, 28, 18)
	FMLA(7, 30, 18)
	FMLA(8, 25, 17)
	FMLA(9, 27, 17)
	FMLA(10, 29, 17)
	FMLA(11, 31, 17)
	FMLA(12, 25, 19)
	FMLA(13, 27, 19)
	FMLA(14, 29, 19)
	FMLA(15, 31, 19)
	SUBS    $32, R11
	BGT     eight
	SUM4(0)
	SUM4(4)
	FMOVQ   F4, 128(R0)      // PositionTile floats further
	FMOVQ.P F0, 16(R0)
	MOVD    R10, R7          // the fourth key's end is the next one's start
	SUBS    R4, R3           // four keys have as many floats as one has bytes
	BGT     positions

done:
	RET

// func addWeighted2NEON(out, p, v []float32)
//
// 32 columns at a time: V0-V7 of the first row, V8-V15 of the second. R4 is the bytes in a row, R5 the second row of out, R6
// the columns left, in bytes, R7 and R8 the weights, R9 the values, R10 the floats left of them.
TEXT ·addWeighted2NEON(SB), NOSPLIT, $0-72
	MOVD out_base+0(FP), R0
	MOVD out_len+8(FP), R4
	MOVD p_base+24(FP), R1
	MOVD v_base+48(FP), R2
	MOVD v_len+56(FP), R3
	LSL  $1, R4
	ADD  R4, R0, R5
	MOVD R4, R6
	LSL  $2, R3
	CBZ  R3, done

columns:
	FLDPQ 0(R0), (F0, F1)
	FLDPQ 32(R0), (F2, F3)
	FLDPQ 64(R0), (F4, F5)
	FLDPQ 96(R0), (F6, F7)
	FLDPQ 0(R5), (F8, F9)
	FLDPQ 32(R5), (F10, F11)
	FLDPQ 64(R5), (F12, F13)
	FLDPQ 96(R5), (F14, F15)
	MOVD  R1, R7
	MOVD  R2, R9
	MOVD  R3, R10

position:
	FMOVS   128(R7), F25     // PositionTile floats further
	FMOVS.P 4(R7), F24
	FLDPQ   0(R9), (F16, F17)
	FLDPQ   32(R9), (F18, F19)
	FLDPQ   64(R9), (F20, F21)
	FLDPQ   96(R9), (F22, F23)
	FMLAE(0, 16, 24, 0)
	FMLAE(1, 17, 24, 0)
	FMLAE(2, 18, 24, 0)
	FMLAE(3, 19, 24, 0)
	FMLAE(4, 20, 24, 0)
	FMLAE(5, 21, 24, 0)
	FMLAE(6, 22, 24, 0)
	FMLAE(7, 23, 24, 0)
	FMLAE(8, 16, 25, 0)
	FMLAE(9, 17, 25, 0)
	FMLAE(10, 18, 25, 0)
	FMLAE(11, 19, 25, 0)
	FMLAE(12, 20, 25, 0)
	FMLAE(13, 21, 25, 0)
	FMLAE(14, 22, 25, 0)
	FMLAE(15, 23, 25, 0)
	ADD     R4, R9
	SUBS    R4, R10
	BGT     position
	FSTPQ   (F2, F3), 32(R0)
	FSTPQ   (F4, F5), 64(R0)
	FSTPQ   (F6, F7), 96(R0)
	FSTPQ.P (F0, F1), 128(R0)
	FSTPQ   (F10, F11), 32(R5)
	FSTPQ   (F12, F13), 64(R5)
	FSTPQ   (F14, F15), 96(R5)
	FSTPQ.P (F8, F9), 128(R5)
	ADD     $128, R2
	SUBS    $128, R6
	BGT     columns

done:
	RET

// The constants of exp: exp(x) = 2ⁿ·exp(r), n = round(x/ln 2), r = x − n·ln 2 within ±ln 2/2, where a polynomial of degree
// six (that of Cephes' expf) is exact to two units in the last place.
DATA exp<>+0(SB)/4, $0x3fb8aa3b  // 1/ln 2
DATA exp<>+4(SB)/4, $0xbf318000  // −ln 2, upper bits
DATA exp<>+8(SB)/4, $0x395e8083  // −ln 2, lower bits
DATA exp<>+12(SB)/4, $0xc2aeac50 // −87.33655: below, exp is no normal number and becomes 0
DATA exp<>+16(SB)/4, $0x39506967 // 1.9875691500e-4
DATA exp<>+20(SB)/4, $0x3ab743ce // 1.3981999507e-3
DATA exp<>+24(SB)/4, $0x3c088908 // 8.3334519073e-3
DATA exp<>+28(SB)/4, $0x3d2aa9c1 // 4.1665795894e-2
DATA exp<>+32(SB)/4, $0x3e2aaaaa // 1.6666665459e-1
DATA exp<>+36(SB)/4, $0x3f000000 // 0.5
DATA exp<>+40(SB)/4, $0x3f800000 // 1
DATA exp<>+44(SB)/4, $127
GLOBL exp<>(SB), RODATA|NOPTR, $48

// EXP leaves exp(v − V31) in v. NaN stays NaN. V16 are the first four constants; V19 has the fourth in every lane,
// V20-V27 the others; mask, a, b and c are scratch.
#define EXP(v, mask, a, b, c) \
	FSUB(v, v, 31);         \
	FCMGT(mask, 19, v);     \
	FMAX(v, v, 19);         \
	FMULE(a, v, 16, 0);     \
	FCVTNS(a, a);           \
	SCVTF(b, a);            \
	FMLAE(v, b, 16, 1);     \
	FMLAE(v, b, 16, 2);     \
	ADDS4(a, a, 27);        \
	SHL23S(a, a);           \
	MOVB(b, 21);            \
	FMLA(b, 20, v);         \
	MOVB(c, 22);            \
	FMLA(c, b, v);          \
	MOVB(b, 23);            \
	FMLA(b, c, v);          \
	MOVB(c, 24);            \
	FMLA(c, b, v);          \
	MOVB(b, 25);            \
	FMLA(b, c, v);          \
	FMUL(c, v, v);          \
	FADD(v, v, 26);         \
	FMLA(v, b, c);          \
	FMUL(v, v, a);          \
	BICB(v, v, mask)

// func expSumNEON(x []float32, m float32) float32
TEXT ·expSumNEON(SB), NOSPLIT, $0-36
	MOVD  x_base+0(FP), R0
	MOVD  x_len+8(FP), R1
	FMOVS m+24(FP), F31
	DUPS(31, 31, 0)
	MOVD  $exp<>(SB), R2
	FLDPQ (R2), (F16, F17)
	FMOVQ 32(R2), F18
	DUPS(19, 16, 3)
	DUPS(20, 17, 0)
	DUPS(21, 17, 1)
	DUPS(22, 17, 2)
	DUPS(23, 17, 3)
	DUPS(24, 18, 0)
	DUPS(25, 18, 1)
	DUPS(26, 18, 2)
	DUPS(27, 18, 3)
	ZERO(30)
	SUBS  $8, R1
	BLT   fours

eight:
	FLDPQ   (R0), (F0, F1)
	EXP(0, 2, 3, 4, 5)
	EXP(1, 6, 7, 8, 9)
	FSTPQ   (F0, F1), (R0)
	FADD(0, 0, 1)
	FADD(30, 30, 0)
	ADD     $32, R0
	SUBS    $8, R1
	BGE     eight

fours:
	ADDS    $4, R1
	BLT     rest
	FMOVQ   (R0), F0
	EXP(0, 2, 3, 4, 5)
	FMOVQ.P F0, 16(R0)
	FADD(30, 30, 0)
	SUBS    $4, R1

rest:
	ADDS $4, R1
	BEQ  done

one:
	FMOVS   (R0), F0
	EXP(0, 2, 3, 4, 5)
	FMOVS   F0, F0           // the other lanes become zero
	FMOVS.P F0, 4(R0)
	FADD(30, 30, 0)
	SUBS    $1, R1
	BNE     one

done:
	HSUM(30)
	FMOVS F30, ret+32(FP)
	RET
