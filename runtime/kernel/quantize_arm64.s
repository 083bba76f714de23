//go:build !noasm

#include "textflag.h"
#include "neon_arm64.h"

// MAGNITUDE leaves the larger magnitudes of a and b in d. As integers magnitudes are in order, with NaN above all.
#define MAGNITUDE(d, a, b) \
	FABS(d, a);      \
	FABS(31, b);     \
	UMAXS(d, d, 31)

// ROUND makes integers of the activations in v: times V24's lowest lane, within ±127, rounded half away from zero, NaN to 0. A
// sum with half of v's own sign is cut off. What is above 127 is infinite, and saturates later.
#define ROUND(v) \
	FMULE(v, v, 24, 0);   \
	FMAX(v, v, 27);       \
	ANDB(31, v, 29);       \
	ORRB(31, 31, 28);      \
	FADD(v, v, 31);       \
	FCVTZS(v, v)

// func quantizeNEON(q []int8, d []float32, sum []int32, src []float32)
TEXT ·quantizeNEON(SB), NOSPLIT, $0-96
	MOVD  q_base+0(FP), R0
	MOVD  d_base+24(FP), R1
	MOVD  d_len+32(FP), R2
	MOVD  sum_base+48(FP), R3
	MOVD  src_base+72(FP), R4
	CBZ   R2, done
	MOVW  $0x80000000, R5
	VDUP  R5, V29.S4
	FMOVS $0.5, F28
	DUPS(28, 28, 0)
	MOVW  $0xc2fe0000, R5         // -127
	VDUP  R5, V27.S4
	MOVW  $0x42fe0000, R5         // 127
	FMOVS R5, F26

block:
	FLDPQ   0(R4), (F0, F1)
	FLDPQ   32(R4), (F2, F3)
	FLDPQ   64(R4), (F4, F5)
	FLDPQ   96(R4), (F6, F7)
	MAGNITUDE(16, 0, 1)
	MAGNITUDE(17, 2, 3)
	MAGNITUDE(18, 4, 5)
	MAGNITUDE(19, 6, 7)
	UMAXS(16, 16, 17)
	UMAXS(18, 18, 19)
	UMAXS(16, 16, 18)
	UMAXVS(16, 16)

	// d = amax/127; 127/amax, or 0 where amax is 0 or NaN.
	FDIVS   F26, F16, F25
	FDIVS   F16, F26, F24
	FCMGT0(17, 16)
	ANDB(24, 24, 17)
	FMOVS.P F25, 4(R1)

	ROUND(0)
	ROUND(1)
	ROUND(2)
	ROUND(3)
	ROUND(4)
	ROUND(5)
	ROUND(6)
	ROUND(7)
	SQXTNS(16, 0)
	SQXTN2S(16, 1)
	SQXTNS(17, 2)
	SQXTN2S(17, 3)
	SQXTNS(18, 4)
	SQXTN2S(18, 5)
	SQXTNS(19, 6)
	SQXTN2S(19, 7)
	SQXTNH(0, 16)
	SQXTN2H(0, 17)
	SQXTNH(1, 18)
	SQXTN2H(1, 19)
	SADDLPB(2, 0)
	SADALPB(2, 1)
	SADDLVH(2, 2)
	FMOVS.P F2, 4(R3)
	FSTPQ.P (F0, F1), 32(R0)
	ADD     $128, R4
	SUBS    $1, R2
	BNE     block

done:
	RET
