//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "neon_arm64.h"

// A group of Q4_0 rows with two vectors, which share the unpacking of the weights: see group_arm64.s.
//
// R0 acc, R1 group; of the two vectors R3 and R7 the activations, R4 and R8 their scales, R5 and R9 their sums; R6 blocks left. V0, V1 and
// V2, V3 half a line, loaded one ahead, V4 and V5 its high nibbles, V6 the mask of low nibbles, V8-V11 the activations, two registers a
// vector. V16-V19 are the first vector's sums and V12-V15 its results, V20-V23 and V24-V27 the second's. V28 and V29 are two scales of
// each, V30 and V31 two offsets.

#define AHEAD 1024

#define LOADA(w) FLDPQ (w)(R1), (F0, F1)
#define LOADB(w) \
	FLDPQ (w)(R1), (F2, F3); \
	PRFM  (w-32+AHEAD)(R1), PLDL1KEEP

// HALF adds the products of the half line in a and a+1, of rows 4q to 4q+7, with word i of the activations, and loads the next but one.
#define HALF(a, q, i, load) \
	USHR4B(4, a);           \
	USHR4B(5, a+1);         \
	ANDB(a, a, 6);          \
	ANDB(a+1, a+1, 6);      \
	SDOTE(16+q, a, 8, i);   \
	SDOTE(17+q, a+1, 8, i); \
	SDOTE(20+q, a, 10, i);  \
	SDOTE(21+q, a+1, 10, i); \
	load;                   \
	SDOTE(16+q, 4, 9, i);   \
	SDOTE(17+q, 5, 9, i);   \
	SDOTE(20+q, 4, 11, i);  \
	SDOTE(21+q, 5, 11, i)

// OFFSET sets the sums from v on to element k of o.
#define OFFSET(v, o, k) \
	DUPS(v, o, k);   \
	DUPS(v+1, o, k); \
	DUPS(v+2, o, k); \
	DUPS(v+3, o, k)

// ADDTO adds the sums from v on, times the weights' scales in V2-V5 and element k of d, to the results from y on.
#define ADDTO(v, d, k, y) \
	FMULE(0, 2, d, k);  \
	FMULE(1, 3, d, k);  \
	FMULE(8, 4, d, k);  \
	FMULE(9, 5, d, k);  \
	SCVTF(v, v);        \
	SCVTF(v+1, v+1);    \
	SCVTF(v+2, v+2);    \
	SCVTF(v+3, v+3);    \
	FMLA(y, v, 0);      \
	FMLA(y+1, v+1, 1);  \
	FMLA(y+2, v+2, 8);  \
	FMLA(y+3, v+3, 9)

// BLOCK adds block k from the current one, whose scales and quants are at s and w.
#define BLOCK(k, s, w) \
	LOADA(w);                    \
	FLDPQ (32*k)(R3), (F8, F9);   \
	FLDPQ (32*k)(R7), (F10, F11); \
	LOADB(w+32);                 \
	OFFSET(16, 30, k);           \
	OFFSET(20, 31, k);           \
	HALF(0, 0, 0, LOADA(w+64));  \
	HALF(2, 2, 0, LOADB(w+96));  \
	HALF(0, 0, 1, LOADA(w+128)); \
	HALF(2, 2, 1, LOADB(w+160)); \
	HALF(0, 0, 2, LOADA(w+192)); \
	HALF(2, 2, 2, LOADB(w+224)); \
	HALF(0, 0, 3, LOADA(s));     \
	HALF(2, 2, 3, FCVTL(2, 0));  \
	FCVTL2(3, 0);                \
	FCVTL(4, 1);                 \
	FCVTL2(5, 1);                \
	ADDTO(16, 28, k, 12);        \
	ADDTO(20, 29, k, 24)

// OFFSETS makes offsets of two sums: 8 times each, negative.
#define OFFSETS(v) \
	SHL3S(v, v); \
	NEGS(v, v)

// func groupQ4PairDotProd(acc *[2][16]float32, group []byte, x *[2]vector)
TEXT ·groupQ4PairDotProd(SB), NOSPLIT, $0-40
	MOVD  acc+0(FP), R0
	MOVD  group_base+8(FP), R1
	MOVD  x+32(FP), R2
	MOVD  vector_q(R2), R3
	MOVD  vector_d(R2), R4
	MOVD  vector_sum(R2), R5
	MOVD  (vector_d+8)(R2), R6
	MOVD  (vector__size+vector_q)(R2), R7
	MOVD  (vector__size+vector_d)(R2), R8
	MOVD  (vector__size+vector_sum)(R2), R9
	VMOVI $15, V6.B16
	ZERO(12)
	ZERO(13)
	ZERO(14)
	ZERO(15)
	ZERO(24)
	ZERO(25)
	ZERO(26)
	ZERO(27)
	SUBS  $2, R6
	BLT   last

pair:
	FMOVD.P 8(R4), F28
	FMOVD.P 8(R8), F29
	FMOVD.P 8(R5), F30
	FMOVD.P 8(R9), F31
	OFFSETS(30)
	OFFSETS(31)
	BLOCK(0, 0, 64)
	BLOCK(1, 32, 320)
	ADD     $576, R1
	ADD     $64, R3
	ADD     $64, R7
	SUBS    $2, R6
	BGE     pair

last:
	ADDS  $2, R6
	BEQ   done
	FMOVS (R4), F28
	FMOVS (R8), F29
	FMOVS (R5), F30
	FMOVS (R9), F31
	OFFSETS(30)
	OFFSETS(31)
	BLOCK(0, 0, 32)

done:
	FSTPQ (F12, F13), (R0)
	FSTPQ (F14, F15), 32(R0)
	FSTPQ (F24, F25), 64(R0)
	FSTPQ (F26, F27), 96(R0)
	RET
