//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "neon_arm64.h"

// The layout of a group is described in package quant. Lines are the 64 bytes that hold one word of 16 rows: four rows in
// each of four registers. Lines are loaded one ahead, for CPUs that run instructions in order.
//
// R0 acc, R1 group, R3 activations, R4 their scales, R5 their sums, R6 blocks left. V0-V3 and V8-V11 lines, V4-V7 scratch,
// V12-V15 the results, V16-V19 a block's sums, V24 and V25 its activations, V29 and V30 two scales and two offsets, V31 the
// mask of low nibbles.

// AHEAD is how far the weights are prefetched.
#define AHEAD 1024

#define LOADA(w) \
	FLDPQ (w)(R1), (F0, F1);    \
	FLDPQ (w+32)(R1), (F2, F3); \
	PRFM  (w+AHEAD)(R1), PLDL1KEEP

#define LOADB(w) \
	FLDPQ (w)(R1), (F8, F9);      \
	FLDPQ (w+32)(R1), (F10, F11); \
	PRFM  (w+AHEAD)(R1), PLDL1KEEP

// UNPACK parts the nibbles of a line in registers a…a+3: the low ones stay, the high ones go to V4-V7.
#define UNPACK(a) \
	USHR4B(4, a);         \
	USHR4B(5, a+1);       \
	USHR4B(6, a+2);       \
	USHR4B(7, a+3);       \
	ANDB(a, a, 31);        \
	ANDB(a+1, a+1, 31);    \
	ANDB(a+2, a+2, 31);    \
	ANDB(a+3, a+3, 31)

// MULDOT adds the products of a line with word i of register x to the sums.
#define MULDOT(a, x, i) \
	SDOTE(16, a, x, i);   \
	SDOTE(17, a+1, x, i); \
	SDOTE(18, a+2, x, i); \
	SDOTE(19, a+3, x, i)

// LINE4DOT is MULDOT for both nibbles.
#define LINE4DOT(a, i) \
	UNPACK(a);        \
	MULDOT(a, 24, i); \
	MULDOT(4, 25, i)

// LOADX loads the activations of block k.
#define LOADX(k) FLDPQ (32*k)(R3), (F24, F25)

// OFFSET sets the sums to 8 times the activations of block k, negative.
#define OFFSET(k) \
	DUPS(16, 30, k); \
	DUPS(17, 30, k); \
	DUPS(18, 30, k); \
	DUPS(19, 30, k)

// ADDTO adds the sums, times the weights' scales at s(R1) and the scale of block k of the activations, to the results.
#define ADDTO(k, s) \
	FLDPQ (s)(R1), (F0, F1); \
	SCVTF(16, 16);           \
	SCVTF(17, 17);           \
	SCVTF(18, 18);           \
	SCVTF(19, 19);           \
	FCVTL(4, 0);             \
	FCVTL2(5, 0);            \
	FCVTL(6, 1);             \
	FCVTL2(7, 1);            \
	FMULE(4, 4, 29, k);      \
	FMULE(5, 5, 29, k);      \
	FMULE(6, 6, 29, k);      \
	FMULE(7, 7, 29, k);      \
	FMLA(12, 16, 4);         \
	FMLA(13, 17, 5);         \
	FMLA(14, 18, 6);         \
	FMLA(15, 19, 7)

// BLOCK4DOT adds block k from the current one, whose scales and quants are at s and w.
#define BLOCK4DOT(k, s, w) \
	LOADX(k);        \
	LOADA(w);        \
	OFFSET(k);       \
	LOADB(w+64);     \
	LINE4DOT(0, 0);  \
	LOADA(w+128);    \
	LINE4DOT(8, 1);  \
	LOADB(w+192);    \
	LINE4DOT(0, 2);  \
	LINE4DOT(8, 3);  \
	ADDTO(k, s)

// MUL and MLA are MULDOT without dot products, for the four activations in every lane of register x: V16-V19 collect those
// of the lower two rows of each register in words, V20-V23 those of the upper two.
#define MUL(a, x) \
	SMULL(16, a, x);    \
	SMULL2(20, a, x);   \
	SMULL(17, a+1, x);  \
	SMULL2(21, a+1, x); \
	SMULL(18, a+2, x);  \
	SMULL2(22, a+2, x); \
	SMULL(19, a+3, x);  \
	SMULL2(23, a+3, x)

#define MLA(a, x) \
	SMLAL(16, a, x);    \
	SMLAL2(20, a, x);   \
	SMLAL(17, a+1, x);  \
	SMLAL2(21, a+1, x); \
	SMLAL(18, a+2, x);  \
	SMLAL2(22, a+2, x); \
	SMLAL(19, a+3, x);  \
	SMLAL2(23, a+3, x)

#define LINE4(FIRST, a, i) \
	DUPS(26, 24, i);  \
	DUPS(27, 25, i);  \
	UNPACK(a);        \
	FIRST(a, 26);     \
	MLA(4, 27)

// BLOCK4 is BLOCK4DOT without dot products. A word collects 8 products of at most 15·127, and 16 when words are added in
// pairs, which fits.
#define BLOCK4(k, s, w) \
	LOADX(k);           \
	LOADA(w);           \
	LOADB(w+64);        \
	LINE4(MUL, 0, 0);   \
	LOADA(w+128);       \
	LINE4(MLA, 8, 1);   \
	LOADB(w+192);       \
	LINE4(MLA, 0, 2);   \
	LINE4(MLA, 8, 3);   \
	ADDPH(4, 16, 20);   \
	ADDPH(5, 17, 21);   \
	ADDPH(6, 18, 22);   \
	ADDPH(7, 19, 23);   \
	OFFSET(k);          \
	SADALPH(16, 4);     \
	SADALPH(17, 5);     \
	SADALPH(18, 6);     \
	SADALPH(19, 7);     \
	ADDTO(k, s)

#define START \
	MOVD acc+0(FP), R0;            \
	MOVD group_base+8(FP), R1;     \
	MOVD x+32(FP), R2;             \
	MOVD vector_q(R2), R3;         \
	MOVD vector_d(R2), R4;         \
	MOVD vector_sum(R2), R5;       \
	MOVD (vector_d+8)(R2), R6;     \
	ZERO(12);                      \
	ZERO(13);                      \
	ZERO(14);                      \
	ZERO(15)

// GROUP4 is a kernel for Q4_0.
#define GROUP4(BLOCK) \
	START;                     \
	VMOVI $15, V31.B16;        \
	SUBS  $2, R6;              \
	BLT   last;                \
pair:                          \
	FMOVD.P 8(R4), F29;        \
	FMOVD.P 8(R5), F30;        \
	SHL3S(30, 30);             \
	NEGS(30, 30);              \
	BLOCK(0, 0, 64);           \
	BLOCK(1, 32, 320);         \
	ADD   $576, R1;            \
	ADD   $64, R3;             \
	SUBS  $2, R6;              \
	BGE   pair;                \
last:                          \
	ADDS  $2, R6;              \
	BEQ   done;                \
	FMOVS (R4), F29;           \
	FMOVS (R5), F30;           \
	SHL3S(30, 30);             \
	NEGS(30, 30);              \
	BLOCK(0, 0, 32);           \
done:                          \
	FSTPQ (F12, F13), (R0);    \
	FSTPQ (F14, F15), 32(R0);  \
	RET

// func groupQ4DotProd(acc *[16]float32, group []byte, x *vector)
TEXT ·groupQ4DotProd(SB), NOSPLIT, $0-40
	GROUP4(BLOCK4DOT)

// func groupQ4NEON(acc *[16]float32, group []byte, x *vector)
TEXT ·groupQ4NEON(SB), NOSPLIT, $0-40
	GROUP4(BLOCK4)

// BLOCK8DOT is BLOCK4DOT for Q8_0.
#define BLOCK8DOT(k, s, w) \
	LOADX(k);          \
	LOADA(w);          \
	ZERO(16);          \
	ZERO(17);          \
	ZERO(18);          \
	ZERO(19);          \
	LOADB(w+64);       \
	MULDOT(0, 24, 0);  \
	LOADA(w+128);      \
	MULDOT(8, 24, 1);  \
	LOADB(w+192);      \
	MULDOT(0, 24, 2);  \
	LOADA(w+256);      \
	MULDOT(8, 24, 3);  \
	LOADB(w+320);      \
	MULDOT(0, 25, 0);  \
	LOADA(w+384);      \
	MULDOT(8, 25, 1);  \
	LOADB(w+448);      \
	MULDOT(0, 25, 2);  \
	MULDOT(8, 25, 3);  \
	ADDTO(k, s)

// MLA8 adds the products of registers a and b, a's of one line and b's of the next, to sum: V4-V7 and V20-V23 have two
// longs for each row. A word holds two products of at most 128·127.
#define MLA8(a, b, lo, hi) \
	SMULL(16, a, 26);   \
	SMULL2(17, a, 26);  \
	SMLAL(16, b, 27);   \
	SMLAL2(17, b, 27);  \
	SADALPH(lo, 16);    \
	SADALPH(hi, 17)

// LINES8 adds the lines in V0-V3 and V8-V11, which meet words i and i+1 of register x.
#define LINES8(x, i) \
	DUPS(26, x, i);       \
	DUPS(27, x, i+1);     \
	MLA8(0, 8, 4, 20);    \
	MLA8(1, 9, 5, 21);    \
	MLA8(2, 10, 6, 22);   \
	MLA8(3, 11, 7, 23)

// BLOCK8 is BLOCK8DOT without dot products.
#define BLOCK8(k, s, w) \
	LOADX(k);           \
	LOADA(w);           \
	LOADB(w+64);        \
	ZERO(4);            \
	ZERO(5);            \
	ZERO(6);            \
	ZERO(7);            \
	ZERO(20);           \
	ZERO(21);           \
	ZERO(22);           \
	ZERO(23);           \
	LINES8(24, 0);      \
	LOADA(w+128);       \
	LOADB(w+192);       \
	LINES8(24, 2);      \
	LOADA(w+256);       \
	LOADB(w+320);       \
	LINES8(25, 0);      \
	LOADA(w+384);       \
	LOADB(w+448);       \
	LINES8(25, 2);      \
	ADDPS(16, 4, 20);   \
	ADDPS(17, 5, 21);   \
	ADDPS(18, 6, 22);   \
	ADDPS(19, 7, 23);   \
	ADDTO(k, s)

// GROUP8 is a kernel for Q8_0. R1 moves on in the middle of a pair, as far as offsets reach.
#define GROUP8(BLOCK) \
	START;                     \
	SUBS  $2, R6;              \
	BLT   last;                \
pair:                          \
	FMOVD.P 8(R4), F29;        \
	BLOCK(0, 0, 64);           \
	ADD   $512, R1;            \
	BLOCK(1, -480, 64);        \
	ADD   $576, R1;            \
	ADD   $64, R3;             \
	SUBS  $2, R6;              \
	BGE   pair;                \
last:                          \
	ADDS  $2, R6;              \
	BEQ   done;                \
	FMOVS (R4), F29;           \
	BLOCK(0, 0, 32);           \
done:                          \
	FSTPQ (F12, F13), (R0);    \
	FSTPQ (F14, F15), 32(R0);  \
	RET

// func groupQ8DotProd(acc *[16]float32, group []byte, x *vector)
TEXT ·groupQ8DotProd(SB), NOSPLIT, $0-40
	GROUP8(BLOCK8DOT)

// func groupQ8NEON(acc *[16]float32, group []byte, x *vector)
TEXT ·groupQ8NEON(SB), NOSPLIT, $0-40
	GROUP8(BLOCK8)
