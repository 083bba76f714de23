//go:build !noasm

#include "textflag.h"
#include "neon_arm64.h"
#include "nibbles_arm64.h"

// ROW loads the arguments of a kernel that adds f times a row to y: R0 y, R1 scales, R2 numbers left, R3 quants, f in F31.
#define ROW \
	MOVD  y_base+0(FP), R0;       \
	MOVD  y_len+8(FP), R2;        \
	FMOVS f+24(FP), F31;          \
	MOVD  quants_base+32(FP), R3; \
	MOVD  scales_base+56(FP), R1; \
	SUBS  $32, R2;                \
	BLT   done

// LOADSCALE puts the next scale times f in the lowest lane of V30.
#define LOADSCALE \
	LDRH2(30, 1);          \
	FCVTL(30, 30);         \
	FMUL(30, 30, 31)

// ADDY adds registers 16-23 times the scale to y.
#define ADDY \
	FLDPQ 0(R0), (F0, F1);      \
	FLDPQ 32(R0), (F2, F3);     \
	FLDPQ 64(R0), (F4, F5);     \
	FLDPQ 96(R0), (F6, F7);     \
	FMLAE(0, 16, 30, 0);        \
	FMLAE(1, 17, 30, 0);        \
	FMLAE(2, 18, 30, 0);        \
	FMLAE(3, 19, 30, 0);        \
	FMLAE(4, 20, 30, 0);        \
	FMLAE(5, 21, 30, 0);        \
	FMLAE(6, 22, 30, 0);        \
	FMLAE(7, 23, 30, 0);        \
	FSTPQ (F0, F1), 0(R0);      \
	FSTPQ (F2, F3), 32(R0);     \
	FSTPQ (F4, F5), 64(R0);     \
	FSTPQ (F6, F7), 96(R0);     \
	ADD   $128, R0

// func axpyQ4NEON(y []float32, f float32, quants, scales []byte)
TEXT ·axpyQ4NEON(SB), NOSPLIT, $0-80
	ROW
	LOADTABLES(R4)

block:
	FMOVQ.P 16(R3), F10
	LOADSCALE
	USHR4B(11, 10)
	ANDB(10, 10, 9)
	FLOATS(10, 16)
	FLOATS(11, 20)
	ADDY
	SUBS  $32, R2
	BGE   block

done:
	RET

// LONGS makes float32 numbers, in registers f to f+3, of the 16 bytes in q.
#define LONGS(q, f) \
	SXTLB(24, q);           \
	SXTL2B(25, q);          \
	SXTLH(f, 24);           \
	SXTL2H(f+1, 24);        \
	SXTLH(f+2, 25);         \
	SXTL2H(f+3, 25);        \
	SCVTF(f, f);            \
	SCVTF(f+1, f+1);        \
	SCVTF(f+2, f+2);        \
	SCVTF(f+3, f+3)

// func axpyQ8NEON(y []float32, f float32, quants, scales []byte)
TEXT ·axpyQ8NEON(SB), NOSPLIT, $0-80
	ROW

block:
	FLDPQ.P 32(R3), (F10, F11)
	LOADSCALE
	LONGS(10, 16)
	LONGS(11, 20)
	ADDY
	SUBS  $32, R2
	BGE   block

done:
	RET
