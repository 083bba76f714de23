//go:build !noasm

#include "textflag.h"
#include "neon_arm64.h"

// Sixteen rows with eight vectors that packEight has interleaved. SMMLA multiplies two vectors with two rows, eight numbers deep; its four longs
// are a0 a1 b0 b1 for the vectors a, b and the rows 0, 1. Eight rows at a time: register 4p+r collects pair p of the vectors with pair r
// of the rows. The results stay in acc, as registers are short, in that order: it has rows r and r+4 of vector a where those of pair r are
// meant to be, and rows r+2 and r+6 where those of b are. RESTORE puts them in order.
//
// R0 acc, R1 group, R3 activations, R6 blocks left. V0-V15 a block's sums, V16-V19 and V20-V23 the pairs of rows of eight numbers each,
// V24-V27 scratch, V28 the top bits of nibbles, V29 the mask of high nibbles.

// PAIRS leaves the pairs of eight rows of two lines, at w and w+64, in w0…w0+3.
#define PAIRS(w, w0) \
	FLDPQ (w)(R1), (F24, F25);    \
	FLDPQ (w+64)(R1), (F26, F27); \
	ZIP1S(w0, 24, 26);            \
	ZIP2S(w0+1, 24, 26);          \
	ZIP1S(w0+2, 25, 27);          \
	ZIP2S(w0+3, 25, 27)

// NIBBLE makes a pair of Q4_0 rows 16·(q-8): the high nibbles in w+4, the low ones in w.
#define NIBBLE(w) \
	EORB(w, w, 28);    \
	ANDB(w+4, w, 29);  \
	SHL4B(w, w)

#define PAIRS4(w) \
	PAIRS(w, 16); \
	NIBBLE(16);   \
	NIBBLE(17);   \
	NIBBLE(18);   \
	NIBBLE(19)

// PAIRS8 is for Q8_0, whose lines are in the order of the numbers: those of the block's other half are four lines on.
#define PAIRS8(w) \
	PAIRS(w, 16); \
	PAIRS(w+256, 20)

// PRODUCT adds the products of the rows with pair p of the vectors, at x(R3).
#define PRODUCT(p, x) \
	FLDPQ (x+32*p)(R3), (F24, F25); \
	SMMLA(4*p, 24, 16);    \
	SMMLA(4*p+1, 24, 17);  \
	SMMLA(4*p+2, 24, 18);  \
	SMMLA(4*p+3, 24, 19);  \
	SMMLA(4*p, 25, 20);    \
	SMMLA(4*p+1, 25, 21);  \
	SMMLA(4*p+2, 25, 22);  \
	SMMLA(4*p+3, 25, 23)

#define PRODUCTS(x) \
	PRODUCT(0, x); \
	PRODUCT(1, x); \
	PRODUCT(2, x); \
	PRODUCT(3, x)

#define ZEROS(p) \
	ZERO(4*p);   \
	ZERO(4*p+1); \
	ZERO(4*p+2); \
	ZERO(4*p+3)

// ADDTO adds the sums in v as numbers of the FORMAT, times the scales of the rows in w and those of the vectors in d, to y.
#define ADDTO(FORMAT, v, w, d, y) \
	FMUL(30, w, d); \
	FORMAT(v, v);   \
	FMLA(y, v, 30)

// FINISH adds the sums of pair p, whose scales are in V(d), to rows 8h to 8h+7 of acc.
#define FINISH(FORMAT, p, d, h) \
	FLDPQ (128*p+32*h)(R0), (F24, F26);    \
	FLDPQ (128*p+64+32*h)(R0), (F25, F27); \
	ADDTO(FORMAT, 4*p, 16, d, 24);         \
	ADDTO(FORMAT, 4*p+1, 17, d, 25);       \
	ADDTO(FORMAT, 4*p+2, 18, d, 26);       \
	ADDTO(FORMAT, 4*p+3, 19, d, 27);       \
	FSTPQ (F24, F26), (128*p+32*h)(R0);    \
	FSTPQ (F25, F27), (128*p+64+32*h)(R0)

// BLOCK adds a block of rows 8h to 8h+7, whose scales and quants are at s and w.
#define BLOCK(PAIRS, FORMAT, h, s, w) \
	ZEROS(0);                           \
	ZEROS(1);                           \
	ZEROS(2);                           \
	ZEROS(3);                           \
	PAIRS(w);                           \
	PRODUCTS(0);                        \
	PAIRS(w+128);                       \
	PRODUCTS(128);                      \
	FLDPQ (s)(R1), (F24, F25);          \
	FLDPQ 256(R3), (F20, F21);          \
	FLDPQ 288(R3), (F22, F23);          \
	FCVTL(18, 24+h);                     \
	FCVTL2(19, 24+h);                    \
	ZIP1D(16, 18, 18);                  \
	ZIP2D(17, 18, 18);                  \
	ZIP1D(18, 19, 19);                  \
	ZIP2D(19, 19, 19);                  \
	FINISH(FORMAT, 0, 20, h);           \
	FINISH(FORMAT, 1, 21, h);           \
	FINISH(FORMAT, 2, 22, h);           \
	FINISH(FORMAT, 3, 23, h)

#define ZEROPAIR(p) \
	FSTPQ (F0, F0), (128*p)(R0);    \
	FSTPQ (F0, F0), (128*p+32)(R0); \
	FSTPQ (F0, F0), (128*p+64)(R0); \
	FSTPQ (F0, F0), (128*p+96)(R0)

// RESTORE parts the results of the vectors of pair p.
#define RESTORE(p) \
	FLDPQ (128*p)(R0), (F0, F1);     \
	FLDPQ (128*p+32)(R0), (F2, F3);  \
	FLDPQ (128*p+64)(R0), (F4, F5);  \
	FLDPQ (128*p+96)(R0), (F6, F7);  \
	ZIP1D(8, 0, 4);                  \
	ZIP1D(9, 1, 5);                  \
	ZIP1D(10, 2, 6);                 \
	ZIP1D(11, 3, 7);                 \
	ZIP2D(12, 0, 4);                 \
	ZIP2D(13, 1, 5);                 \
	ZIP2D(14, 2, 6);                 \
	ZIP2D(15, 3, 7);                 \
	FSTPQ (F8, F9), (128*p)(R0);     \
	FSTPQ (F10, F11), (128*p+32)(R0); \
	FSTPQ (F12, F13), (128*p+64)(R0); \
	FSTPQ (F14, F15), (128*p+96)(R0)

// GROUP is a kernel: PAIR is two blocks, of pair bytes, and LAST one.
#define GROUP(PAIR, LAST) \
	MOVD  acc+0(FP), R0;           \
	MOVD  group_base+8(FP), R1;    \
	MOVD  x_base+32(FP), R3;       \
	MOVD  x_len+40(FP), R6;        \
	VMOVI $0x88, V28.B16;          \
	VMOVI $0xf0, V29.B16;          \
	ZERO(0);                       \
	ZEROPAIR(0);                   \
	ZEROPAIR(1);                   \
	ZEROPAIR(2);                   \
	ZEROPAIR(3);                   \
	SUBS  $80, R6;                 \
	BLT   last;                    \
pair:                              \
	PAIR;                          \
	SUBS  $80, R6;                 \
	BGE   pair;                    \
last:                              \
	ADDS  $80, R6;                 \
	BEQ   done;                    \
	LAST;                          \
done:                              \
	RESTORE(0);                    \
	RESTORE(1);                    \
	RESTORE(2);                    \
	RESTORE(3);                    \
	RET

// BLOCK4 adds a block of Q4_0, whose scales and quants are at s and w, and moves on to the next activations.
#define BLOCK4(s, w) \
	BLOCK(PAIRS4, SCVTF4, 0, s, w);      \
	BLOCK(PAIRS4, SCVTF4, 1, s, w+32);    \
	ADD $320, R3

#define PAIROF4 \
	BLOCK4(0, 64);   \
	BLOCK4(32, 320); \
	ADD $576, R1

#define LAST4 BLOCK4(0, 32)

// func groupQ4x8I8MM(acc *[8][16]float32, group []byte, x []uint64)
TEXT ·groupQ4x8I8MM(SB), NOSPLIT, $0-56
	GROUP(PAIROF4, LAST4)

#define BLOCK8(s, w) \
	BLOCK(PAIRS8, SCVTF, 0, s, w);      \
	BLOCK(PAIRS8, SCVTF, 1, s, w+32);    \
	ADD $320, R3

// PAIROF8 moves on in the middle of a pair, as far as offsets reach.
#define PAIROF8 \
	BLOCK8(0, 64);    \
	ADD $512, R1;     \
	BLOCK8(-480, 64); \
	ADD $576, R1

#define LAST8 BLOCK8(0, 32)

// func groupQ8x8I8MM(acc *[8][16]float32, group []byte, x []uint64)
TEXT ·groupQ8x8I8MM(SB), NOSPLIT, $0-56
	GROUP(PAIROF8, LAST8)
