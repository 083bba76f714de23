//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "neon_arm64.h"

// Products of a row with a vector: R0 quants, R1 scales, R3 activations, R4 their scales, R5 their sums, R6 blocks left.
// Four blocks at a time; V24-V27 have a block's sum in parts each. V0-V7 are weights, V16-V23 activations, V28 the result,
// V30 longs of 8, V31 the mask of low nibbles.

#define START \
	MOVD  quants_base+0(FP), R0;  \
	MOVD  scales_base+24(FP), R1; \
	MOVD  x+48(FP), R2;           \
	MOVD  vector_q(R2), R3;       \
	MOVD  vector_d(R2), R4;       \
	MOVD  vector_sum(R2), R5;     \
	MOVD  (vector_d+8)(R2), R6;   \
	ZERO(28)

// LOADX loads the activations of four blocks.
#define LOADX \
	FLDPQ 0(R3), (F16, F17);  \
	FLDPQ 32(R3), (F18, F19); \
	FLDPQ 64(R3), (F20, F21); \
	FLDPQ 96(R3), (F22, F23); \
	ADD   $128, R3

// ADD4 adds the sums of four blocks in V24, times both scales, to the result.
#define ADD4 \
	FMOVD.P 8(R1), F0;   \
	FMOVQ.P 16(R4), F1;  \
	SCVTF(24, 24);       \
	FCVTL(0, 0);         \
	FMUL(0, 0, 1);       \
	FMLA(28, 24, 0)

// ADD1 is ADD4 for one block: the other lanes are zero.
#define ADD1 \
	LDRH2(0, 1);         \
	FMOVS.P 4(R4), F1;   \
	SCVTF(24, 24);       \
	FCVTL(0, 0);         \
	FMUL(0, 0, 1);       \
	FMLA(28, 24, 0)

// PRODUCT4DOT leaves the sum of a Q4_0 block's products in y, in four longs: the quants in w, the activations in x, x+1.
#define PRODUCT4DOT(y, w, x) \
	USHR4B(w+4, w);       \
	ANDB(w, w, 31);        \
	ZERO(y);              \
	SDOT(y, w, x);        \
	SDOT(y, w+4, x+1)

// PRODUCT4 leaves it in eight words, of four products of at most 15·127 each.
#define PRODUCT4(y, w, x) \
	USHR4B(w+4, w);        \
	ANDB(w, w, 31);         \
	SMULL(y, w, x);        \
	SMLAL2(y, w, x);       \
	SMLAL(y, w+4, x+1);    \
	SMLAL2(y, w+4, x+1)

// BRING leaves the sums of V24-V27 in the four longs of V24.
#define BRING \
	ADDPS(24, 24, 25); \
	ADDPS(26, 26, 27); \
	ADDPS(24, 24, 26)

// BRINGH does so from words, two of which hold 32 products in the end.
#define BRINGH \
	ADDPH(24, 24, 25); \
	ADDPH(26, 26, 27); \
	ADDPH(24, 24, 26); \
	SADDLPH(24, 24)

// DOT4 is a kernel for Q4_0 rows. SUM adds up one block's sum in V24. While it computes, it prefetches as many bytes as a row's
// quants from ahead on.
#define DOT4(PRODUCT, BRING, SUM) \
	START;                          \
	MOVD  ahead+56(FP), R8;         \
	VMOVI $15, V31.B16;             \
	MOVD  $8, R7;                   \
	VDUP  R7, V30.S4;               \
	SUBS  $4, R6;                   \
	BLT   rest;                     \
four:                               \
	VLD1.P 64(R0), [V0.B16, V1.B16, V2.B16, V3.B16]; \
	PRFM  (R8), PLDL1KEEP;          \
	ADD   $64, R8;                  \
	LOADX;                          \
	PRODUCT(24, 0, 16);             \
	PRODUCT(25, 1, 18);             \
	PRODUCT(26, 2, 20);             \
	PRODUCT(27, 3, 22);             \
	FMOVQ.P 16(R5), F2;             \
	BRING;                          \
	MLSS(24, 2, 30);                \
	ADD4;                           \
	SUBS  $4, R6;                   \
	BGE   four;                     \
rest:                               \
	ADDS  $4, R6;                   \
	BEQ   done;                     \
one:                                \
	FMOVQ.P 16(R0), F0;             \
	FLDPQ.P 32(R3), (F16, F17);     \
	PRODUCT(24, 0, 16);             \
	FMOVS.P 4(R5), F2;              \
	SUM(24, 24);                    \
	MLSS(24, 2, 30);                \
	ADD1;                           \
	SUBS  $1, R6;                   \
	BNE   one;                      \
done:                               \
	HSUM(28);                       \
	FMOVS F28, ret+64(FP);          \
	RET

// PRODUCT8DOT leaves the sum of a Q8_0 block's products in y, in four longs: the quants in w, w+1, the activations in x, x+1.
#define PRODUCT8DOT(y, w, x) \
	ZERO(y);              \
	SDOT(y, w, x);        \
	SDOT(y, w+1, x+1)

// PRODUCT8 does so without dot products: two of at most 128·127 fit a word.
#define PRODUCT8(y, w, x) \
	SMULL(y, w, x);        \
	SMLAL2(y, w, x);       \
	SMULL(29, w+1, x+1);   \
	SMLAL2(29, w+1, x+1);  \
	SADDLPH(y, y);         \
	SADALPH(y, 29)

// DOT8 is a kernel for Q8_0 rows.
#define DOT8(PRODUCT) \
	START;                          \
	SUBS  $4, R6;                   \
	BLT   rest;                     \
four:                               \
	VLD1.P 64(R0), [V0.B16, V1.B16, V2.B16, V3.B16]; \
	VLD1.P 64(R0), [V4.B16, V5.B16, V6.B16, V7.B16]; \
	LOADX;                          \
	PRODUCT(24, 0, 16);             \
	PRODUCT(25, 2, 18);             \
	PRODUCT(26, 4, 20);             \
	PRODUCT(27, 6, 22);             \
	BRING;                          \
	ADD4;                           \
	SUBS  $4, R6;                   \
	BGE   four;                     \
rest:                               \
	ADDS  $4, R6;                   \
	BEQ   done;                     \
one:                                \
	FLDPQ.P 32(R0), (F0, F1);       \
	FLDPQ.P 32(R3), (F16, F17);     \
	PRODUCT(24, 0, 16);             \
	ADDVS(24, 24);                  \
	ADD1;                           \
	SUBS  $1, R6;                   \
	BNE   one;                      \
done:                               \
	HSUM(28);                       \
	FMOVS F28, ret+56(FP);          \
	RET

// func dotQ4DotProd(quants, scales []byte, x *vector, ahead *byte) float32
TEXT ·dotQ4DotProd(SB), NOSPLIT, $0-68
	DOT4(PRODUCT4DOT, BRING, ADDVS)

// func dotQ4NEON(quants, scales []byte, x *vector, ahead *byte) float32
TEXT ·dotQ4NEON(SB), NOSPLIT, $0-68
	DOT4(PRODUCT4, BRINGH, SADDLVH)

// func dotQ8DotProd(quants, scales []byte, x *vector) float32
TEXT ·dotQ8DotProd(SB), NOSPLIT, $0-60
	DOT8(PRODUCT8DOT)

// func dotQ8NEON(quants, scales []byte, x *vector) float32
TEXT ·dotQ8NEON(SB), NOSPLIT, $0-60
	DOT8(PRODUCT8)
