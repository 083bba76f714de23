//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "neon_arm64.h"

// R0 acc, R1 group, R2 blocks left; of the four vectors R3-R6 the activations, R7-R10 the scales, R11-R14 the sums.
// V16-V31 are a block's sums, four registers a vector; V8-V15 the activations, two registers a vector; V0, V1 and V4, V5 half
// a line, loaded one ahead; V7 the mask of low nibbles. The results stay in acc, as registers are short.

// VECTOR adds the products of the half line in V(a), V(a+1) (low nibbles) and V2, V3 (high ones) with word i of vector v to
// the sums of rows 4q to 4q+7.
#define VECTOR(v, a, q, i) \
	SDOTE(16+4*v+q, a, 8+2*v, i);   \
	SDOTE(17+4*v+q, a+1, 8+2*v, i); \
	SDOTE(16+4*v+q, 2, 9+2*v, i);   \
	SDOTE(17+4*v+q, 3, 9+2*v, i)

// HALF adds the products of a half line, and loads the next but one.
#define HALF(a, q, i, load) \
	USHR4B(2, a);         \
	USHR4B(3, a+1);       \
	ANDB(a, a, 7);         \
	ANDB(a+1, a+1, 7);     \
	VECTOR(0, a, q, i);   \
	VECTOR(1, a, q, i);   \
	VECTOR(2, a, q, i);   \
	VECTOR(3, a, q, i);   \
	load

#define LOADA(w) FLDPQ (w)(R1), (F0, F1)
#define LOADB(w) FLDPQ (w)(R1), (F4, F5)

// OFFSET sets the sums of vector v to 8 times its activations, negative.
#define OFFSET(v, sums) \
	VLD1R.P 4(sums), [V6.S4]; \
	SHL3S(6, 6);              \
	NEGS(16+4*v, 6);          \
	NEGS(17+4*v, 6);          \
	NEGS(18+4*v, 6);          \
	NEGS(19+4*v, 6)

// ADDTO adds the sums of vector v, times both scales, to the results. V8-V11 are the weights' scales.
#define ADDTO(v, d) \
	VLD1R.P 4(d), [V6.S4];               \
	FLDPQ   (64*v)(R0), (F4, F5);        \
	FLDPQ   (64*v+32)(R0), (F12, F13);   \
	SCVTF(16+4*v, 16+4*v);               \
	SCVTF(17+4*v, 17+4*v);               \
	SCVTF(18+4*v, 18+4*v);               \
	SCVTF(19+4*v, 19+4*v);               \
	FMUL(0, 8, 6);                       \
	FMUL(1, 9, 6);                       \
	FMUL(2, 10, 6);                      \
	FMUL(3, 11, 6);                      \
	FMLA(4, 16+4*v, 0);                  \
	FMLA(5, 17+4*v, 1);                  \
	FMLA(12, 18+4*v, 2);                 \
	FMLA(13, 19+4*v, 3);                 \
	FSTPQ   (F4, F5), (64*v)(R0);        \
	FSTPQ   (F12, F13), (64*v+32)(R0)

// BLOCK adds a block whose scales and quants are at s and w.
#define BLOCK(s, w) \
	LOADA(w);                       \
	LOADB(w+32);                    \
	FLDPQ.P 32(R3), (F8, F9);       \
	FLDPQ.P 32(R4), (F10, F11);     \
	FLDPQ.P 32(R5), (F12, F13);     \
	FLDPQ.P 32(R6), (F14, F15);     \
	OFFSET(0, R11);                 \
	OFFSET(1, R12);                 \
	OFFSET(2, R13);                 \
	OFFSET(3, R14);                 \
	HALF(0, 0, 0, LOADA(w+64));     \
	HALF(4, 2, 0, LOADB(w+96));     \
	HALF(0, 0, 1, LOADA(w+128));    \
	HALF(4, 2, 1, LOADB(w+160));    \
	HALF(0, 0, 2, LOADA(w+192));    \
	HALF(4, 2, 2, LOADB(w+224));    \
	HALF(0, 0, 3, LOADA(s));        \
	HALF(4, 2, 3, FCVTL(8, 0));     \
	FCVTL2(9, 0);                   \
	FCVTL(10, 1);                   \
	FCVTL2(11, 1);                  \
	ADDTO(0, R7);                     \
	ADDTO(1, R8);                     \
	ADDTO(2, R9);                     \
	ADDTO(3, R10)

// func groupQ4x4DotProd(acc *[4][16]float32, group []byte, x *[4]vector)
TEXT ·groupQ4x4DotProd(SB), NOSPLIT, $0-40
	MOVD  acc+0(FP), R0
	MOVD  group_base+8(FP), R1
	MOVD  x+32(FP), R15
	MOVD  (0*vector__size+vector_q)(R15), R3
	MOVD  (1*vector__size+vector_q)(R15), R4
	MOVD  (2*vector__size+vector_q)(R15), R5
	MOVD  (3*vector__size+vector_q)(R15), R6
	MOVD  (0*vector__size+vector_d)(R15), R7
	MOVD  (1*vector__size+vector_d)(R15), R8
	MOVD  (2*vector__size+vector_d)(R15), R9
	MOVD  (3*vector__size+vector_d)(R15), R10
	MOVD  (0*vector__size+vector_sum)(R15), R11
	MOVD  (1*vector__size+vector_sum)(R15), R12
	MOVD  (2*vector__size+vector_sum)(R15), R13
	MOVD  (3*vector__size+vector_sum)(R15), R14
	MOVD  (vector_d+8)(R15), R2
	VMOVI $15, V7.B16
	ZERO(0)
	ZERO(1)
	FSTPQ (F0, F1), (R0)
	FSTPQ (F0, F1), 32(R0)
	FSTPQ (F0, F1), 64(R0)
	FSTPQ (F0, F1), 96(R0)
	FSTPQ (F0, F1), 128(R0)
	FSTPQ (F0, F1), 160(R0)
	FSTPQ (F0, F1), 192(R0)
	FSTPQ (F0, F1), 224(R0)
	SUBS  $2, R2
	BLT   last

pair:
	BLOCK(0, 64)
	BLOCK(32, 320)
	ADD   $576, R1
	SUBS  $2, R2
	BGE   pair

last:
	ADDS $2, R2
	BEQ  done
	BLOCK(0, 32)

done:
	RET
