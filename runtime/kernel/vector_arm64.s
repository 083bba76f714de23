//go:build !noasm

#include "textflag.h"
#include "neon_arm64.h"

// func dotNEON(a, b []float32) float32
TEXT ·dotNEON(SB), NOSPLIT, $0-52
	MOVD a_base+0(FP), R0
	MOVD a_len+8(FP), R2
	MOVD b_base+24(FP), R1
	ZERO(0)
	ZERO(1)
	ZERO(2)
	ZERO(3)
	ZERO(4)
	ZERO(5)
	ZERO(6)
	ZERO(7)
	SUBS $32, R2
	BLT  fours

loop:
	FLDPQ 0(R0), (F16, F17)
	FLDPQ 0(R1), (F24, F25)
	FLDPQ 32(R0), (F18, F19)
	FLDPQ 32(R1), (F26, F27)
	FLDPQ 64(R0), (F20, F21)
	FLDPQ 64(R1), (F28, F29)
	FLDPQ 96(R0), (F22, F23)
	FLDPQ 96(R1), (F30, F31)
	FMLA(0, 16, 24)
	FMLA(1, 17, 25)
	FMLA(2, 18, 26)
	FMLA(3, 19, 27)
	FMLA(4, 20, 28)
	FMLA(5, 21, 29)
	FMLA(6, 22, 30)
	FMLA(7, 23, 31)
	ADD   $128, R0
	ADD   $128, R1
	SUBS  $32, R2
	BGE   loop

fours:
	ADDS $28, R2
	BLT  rest

four:
	FMOVQ.P 16(R0), F16
	FMOVQ.P 16(R1), F24
	FMLA(0, 16, 24)
	SUBS    $4, R2
	BGE     four

rest:
	ADDS $4, R2
	BEQ  sum

	// The other lanes are zero.
one:
	FMOVS.P 4(R0), F16
	FMOVS.P 4(R1), F24
	FMLA(1, 16, 24)
	SUBS    $1, R2
	BNE     one

sum:
	FADD(0, 0, 4)
	FADD(1, 1, 5)
	FADD(2, 2, 6)
	FADD(3, 3, 7)
	FADD(0, 0, 1)
	FADD(2, 2, 3)
	FADD(0, 0, 2)
	HSUM(0)
	FMOVS F0, ret+48(FP)
	RET

// func axpyNEON(dst []float32, f float32, src []float32)
TEXT ·axpyNEON(SB), NOSPLIT, $0-56
	MOVD  dst_base+0(FP), R0
	MOVD  dst_len+8(FP), R2
	FMOVS f+24(FP), F31
	MOVD  src_base+32(FP), R1
	SUBS  $32, R2
	BLT   fours

loop:
	FLDPQ 0(R0), (F0, F1)
	FLDPQ 0(R1), (F16, F17)
	FLDPQ 32(R0), (F2, F3)
	FLDPQ 32(R1), (F18, F19)
	FLDPQ 64(R0), (F4, F5)
	FLDPQ 64(R1), (F20, F21)
	FLDPQ 96(R0), (F6, F7)
	FLDPQ 96(R1), (F22, F23)
	FMLAE(0, 16, 31, 0)
	FMLAE(1, 17, 31, 0)
	FMLAE(2, 18, 31, 0)
	FMLAE(3, 19, 31, 0)
	FMLAE(4, 20, 31, 0)
	FMLAE(5, 21, 31, 0)
	FMLAE(6, 22, 31, 0)
	FMLAE(7, 23, 31, 0)
	FSTPQ (F0, F1), 0(R0)
	FSTPQ (F2, F3), 32(R0)
	FSTPQ (F4, F5), 64(R0)
	FSTPQ (F6, F7), 96(R0)
	ADD   $128, R0
	ADD   $128, R1
	SUBS  $32, R2
	BGE   loop

fours:
	ADDS $28, R2
	BLT  rest

four:
	FMOVQ   (R0), F0
	FMOVQ.P 16(R1), F16
	FMLAE(0, 16, 31, 0)
	FMOVQ.P F0, 16(R0)
	SUBS    $4, R2
	BGE     four

rest:
	ADDS $4, R2
	BEQ  done

one:
	FMOVS   (R0), F0
	FMOVS.P 4(R1), F16
	FMLAE(0, 16, 31, 0)
	FMOVS.P F0, 4(R0)
	SUBS    $1, R2
	BNE     one

done:
	RET

// FOUR adds the products of V16-V19 with the factors in V31 to y.
#define FOUR(y, a, b, c, d) \
	FMLAE(y, a, 31, 0); \
	FMLAE(y, b, 31, 1); \
	FMLAE(y, c, 31, 2); \
	FMLAE(y, d, 31, 3)

// func axpy4NEON(dst []float32, f *[4]float32, src *[4][]float32)
TEXT ·axpy4NEON(SB), NOSPLIT, $0-40
	MOVD  dst_base+0(FP), R0
	MOVD  dst_len+8(FP), R2
	MOVD  f+24(FP), R1
	FMOVQ (R1), F31
	MOVD  src+32(FP), R1
	MOVD  0(R1), R3        // a slice has 24 bytes
	MOVD  24(R1), R4
	MOVD  48(R1), R5
	MOVD  72(R1), R6
	SUBS  $16, R2
	BLT   fours

loop:
	FLDPQ   0(R0), (F0, F1)
	FLDPQ   32(R0), (F2, F3)
	FLDPQ   32(R3), (F18, F19)
	FLDPQ.P 64(R3), (F16, F17)
	FLDPQ   32(R4), (F22, F23)
	FLDPQ.P 64(R4), (F20, F21)
	FLDPQ   32(R5), (F26, F27)
	FLDPQ.P 64(R5), (F24, F25)
	FLDPQ   32(R6), (F6, F7)
	FLDPQ.P 64(R6), (F4, F5)
	FMLAE(0, 16, 31, 0)
	FMLAE(1, 17, 31, 0)
	FMLAE(2, 18, 31, 0)
	FMLAE(3, 19, 31, 0)
	FMLAE(0, 20, 31, 1)
	FMLAE(1, 21, 31, 1)
	FMLAE(2, 22, 31, 1)
	FMLAE(3, 23, 31, 1)
	FMLAE(0, 24, 31, 2)
	FMLAE(1, 25, 31, 2)
	FMLAE(2, 26, 31, 2)
	FMLAE(3, 27, 31, 2)
	FMLAE(0, 4, 31, 3)
	FMLAE(1, 5, 31, 3)
	FMLAE(2, 6, 31, 3)
	FMLAE(3, 7, 31, 3)
	FSTPQ   (F0, F1), (R0)
	FSTPQ   (F2, F3), 32(R0)
	ADD     $64, R0
	SUBS    $16, R2
	BGE     loop

fours:
	ADDS $12, R2
	BLT  rest

four:
	FMOVQ   (R0), F0
	FMOVQ.P 16(R3), F16
	FMOVQ.P 16(R4), F17
	FMOVQ.P 16(R5), F18
	FMOVQ.P 16(R6), F19
	FOUR(0, 16, 17, 18, 19)
	FMOVQ.P F0, 16(R0)
	SUBS    $4, R2
	BGE     four

rest:
	ADDS $4, R2
	BEQ  done

one:
	FMOVS   (R0), F0
	FMOVS.P 4(R3), F16
	FMOVS.P 4(R4), F17
	FMOVS.P 4(R5), F18
	FMOVS.P 4(R6), F19
	FOUR(0, 16, 17, 18, 19)
	FMOVS.P F0, 4(R0)
	SUBS    $1, R2
	BNE     one

done:
	RET

// func decodeF16NEON(dst []float32, src []byte)
TEXT ·decodeF16NEON(SB), NOSPLIT, $0-48
	MOVD dst_base+0(FP), R0
	MOVD dst_len+8(FP), R2
	MOVD src_base+24(FP), R1
	SUBS $16, R2
	BLT  fours

loop:
	FLDPQ.P 32(R1), (F0, F1)
	FCVTL(2, 0)
	FCVTL2(3, 0)
	FCVTL(4, 1)
	FCVTL2(5, 1)
	FSTPQ   (F4, F5), 32(R0)
	FSTPQ.P (F2, F3), 64(R0)
	SUBS    $16, R2
	BGE     loop

fours:
	ADDS $12, R2
	BLT  rest

four:
	FMOVD.P 8(R1), F0
	FCVTL(2, 0)
	FMOVQ.P F2, 16(R0)
	SUBS    $4, R2
	BGE     four

rest:
	ADDS $4, R2
	BEQ  done

one:
	LDRH2(0, 1)
	FCVTL(2, 0)
	FMOVS.P F2, 4(R0)
	SUBS    $1, R2
	BNE     one

done:
	RET

// func prefetchNEON(b []byte)
TEXT ·prefetchNEON(SB), NOSPLIT, $0-24
	MOVD b_base+0(FP), R0
	MOVD b_len+8(FP), R1

line:
	PRFM (R0), PLDL1KEEP
	ADD  $64, R0
	SUBS $64, R1
	BGT  line
	RET

// func readNEON(b []byte) uint64
TEXT ·readNEON(SB), NOSPLIT, $0-32
	MOVD b_base+0(FP), R0
	MOVD b_len+8(FP), R1
	ZERO(0)
	ZERO(1)
	ZERO(2)
	ZERO(3)
	SUBS $128, R1
	BLT  last

loop:
	FLDPQ 0(R0), (F16, F17)
	FLDPQ 32(R0), (F18, F19)
	FLDPQ 64(R0), (F20, F21)
	FLDPQ 96(R0), (F22, F23)
	PRFM  1024(R0), PLDL1KEEP
	PRFM  1088(R0), PLDL1KEEP
	VADD  V16.D2, V0.D2, V0.D2
	VADD  V17.D2, V1.D2, V1.D2
	VADD  V18.D2, V2.D2, V2.D2
	VADD  V19.D2, V3.D2, V3.D2
	VADD  V20.D2, V0.D2, V0.D2
	VADD  V21.D2, V1.D2, V1.D2
	VADD  V22.D2, V2.D2, V2.D2
	VADD  V23.D2, V3.D2, V3.D2
	ADD   $128, R0
	SUBS  $128, R1
	BGE   loop

last:
	ADDS  $64, R1
	BLT   sum
	FLDPQ 0(R0), (F16, F17)
	FLDPQ 32(R0), (F18, F19)
	VADD  V16.D2, V0.D2, V0.D2
	VADD  V17.D2, V1.D2, V1.D2
	VADD  V18.D2, V2.D2, V2.D2
	VADD  V19.D2, V3.D2, V3.D2

sum:
	VADD  V1.D2, V0.D2, V0.D2
	VADD  V3.D2, V2.D2, V2.D2
	VADD  V2.D2, V0.D2, V0.D2
	VADDP V0.D2, V0.D2, V0.D2
	FMOVD F0, ret+24(FP)
	RET
