//go:build !noasm

#include "textflag.h"
#include "neon_arm64.h"

// Constants of 16 bytes each.
DATA factors<>+0(SB)/8, $0x46fefe0046fefe00  // 32639 = 127·256 + 127
DATA factors<>+8(SB)/8, $0x46fefe0046fefe00
DATA factors<>+16(SB)/8, $0x48fefe0048fefe00 // 16 times that
DATA factors<>+24(SB)/8, $0x48fefe0048fefe00
DATA factors<>+32(SB)/8, $0x0da242600da24260 // 1e-30: what stands for a largest factor of 0
DATA factors<>+40(SB)/8, $0x0da242600da24260
DATA factors<>+48(SB)/8, $0x0000008000000080 // 128
DATA factors<>+56(SB)/8, $0x0000008000000080
DATA factors<>+64(SB)/8, $0x3424140430201000 // the lowest byte of long 0 of four registers, of long 1, …
DATA factors<>+72(SB)/8, $0x3c2c1c0c38281808
DATA factors<>+80(SB)/8, $0x3525150531211101 // the second lowest
DATA factors<>+88(SB)/8, $0x3d2d1d0d39291909
DATA factors<>+96(SB)/8, $0x8888888888888888 // the top bit of both nibbles: with it flipped, q is q-8 with a sign
DATA factors<>+104(SB)/8, $0x8888888888888888
DATA factors<>+112(SB)/8, $0xf0f0f0f0f0f0f0f0
DATA factors<>+120(SB)/8, $0xf0f0f0f0f0f0f0f0
GLOBL factors<>(SB), RODATA|NOPTR, $128

// FACTOR leaves the next four scales of row i, at (r), times f[i] in v.
#define FACTOR(v, fv, i, r) \
	FMOVD.P 8(r), fv;       \
	FCVTL(v, v);            \
	FMULE(v, v, 26, i)

// EIGHT is an instruction on registers d…d+7 with those from n on and element b of m.
#define EIGHT(OP, d, n, m, b) \
	OP(d, n, m, b);        \
	OP(d+1, n+1, m, b);    \
	OP(d+2, n+2, m, b);    \
	OP(d+3, n+3, m, b);    \
	OP(d+4, n+4, m, b);    \
	OP(d+5, n+5, m, b);    \
	OP(d+6, n+6, m, b);    \
	OP(d+7, n+7, m, b)

// EIGHT1 and EIGHT2 have operands of one and two registers.
#define EIGHT1(OP, d) \
	OP(d);     \
	OP(d+1);   \
	OP(d+2);   \
	OP(d+3);   \
	OP(d+4);   \
	OP(d+5);   \
	OP(d+6);   \
	OP(d+7)

#define EIGHT2(OP, d, n) \
	OP(d, n);         \
	OP(d+1, n+1);     \
	OP(d+2, n+2);     \
	OP(d+3, n+3);     \
	OP(d+4, n+4);     \
	OP(d+5, n+5);     \
	OP(d+6, n+6);     \
	OP(d+7, n+7)

// BLOCK takes block b of four: bytes are laid together so that a long has those of one column, then nibbles times 16 are
// multiplied with the upper bytes of the factors and, after a shift, the lower ones.
#define BLOCK(b) \
	FMOVQ.P 16(R4), F0;              \
	FMOVQ.P 16(R5), F1;              \
	FMOVQ.P 16(R6), F2;              \
	FMOVQ.P 16(R7), F3;              \
	FLDPQ   (128*b+0)(R0), (F8, F9); \
	FLDPQ   (128*b+32)(R0), (F10, F11); \
	FLDPQ   (128*b+64)(R0), (F12, F13); \
	FLDPQ   (128*b+96)(R0), (F14, F15); \
	EIGHT1(ZERO, 16);                \
	EORB(0, 0, 31);                  \
	EORB(1, 1, 31);                  \
	EORB(2, 2, 31);                  \
	EORB(3, 3, 31);                  \
	ZIP1B(4, 0, 1);                  \
	ZIP1B(6, 2, 3);                  \
	ZIP2B(5, 0, 1);                  \
	ZIP2B(7, 2, 3);                  \
	ZIP1H(0, 4, 6);                  \
	ZIP2H(1, 4, 6);                  \
	ZIP1H(2, 5, 7);                  \
	ZIP2H(3, 5, 7);                  \
	ANDB(4, 0, 27);                  \
	ANDB(5, 1, 27);                  \
	ANDB(6, 2, 27);                  \
	ANDB(7, 3, 27);                  \
	SHL4B(0, 0);                     \
	SHL4B(1, 1);                     \
	SHL4B(2, 2);                     \
	SHL4B(3, 3);                     \
	EIGHT(SDOTE, 16, 0, 28, b);      \
	EIGHT2(SHL8S, 16, 16);           \
	EIGHT(SDOTE, 16, 0, 29, b);      \
	EIGHT2(SCVTF, 16, 16);           \
	EIGHT(FMLAE, 8, 16, 30, b);      \
	FSTPQ   (F8, F9), (128*b)(R0);   \
	FSTPQ   (F10, F11), (128*b+32)(R0); \
	FSTPQ   (F12, F13), (128*b+64)(R0); \
	FSTPQ   (F14, F15), (128*b+96)(R0)

// AHEAD prefetches what a row of up and one of down need for 128 columns beyond the quants of up.
#define AHEAD(r) \
	PRFM (r), PLDL1KEEP;     \
	PRFM 64(r), PLDL1KEEP;   \
	ADD  $80, r

// ARGUMENTS loads y to R0, the columns to R1, f to V26, quants to R4-R7, scales to R8-R11, and what is prefetched to R12-R15.
#define ARGUMENTS \
	MOVD  y_base+0(FP), R0;     \
	MOVD  y_len+8(FP), R1;      \
	MOVD  f+24(FP), R2;         \
	FMOVQ (R2), F26;            \
	MOVD  quants+32(FP), R2;    \
	LDP   0(R2), (R4, R5);      \
	LDP   16(R2), (R6, R7);     \
	MOVD  scales+40(FP), R2;    \
	LDP   0(R2), (R8, R9);      \
	LDP   16(R2), (R10, R11);   \
	MOVD  ahead+48(FP), R2;     \
	LDP   0(R2), (R12, R13);    \
	LDP   16(R2), (R14, R15);   \
	MOVD  skip+56(FP), R2;      \
	ADD   R2, R12;              \
	ADD   R2, R13;              \
	ADD   R2, R14;              \
	ADD   R2, R15;              \
	MOVD  $factors<>(SB), R3

// FACTORS leaves the rounded factors k of the four rows in the next four blocks in V0-V3, and s times 32639/divisor in V30.
// Where a factor is not a number, s is none.
#define FACTORS(divisor) \
	FLDPQ 0(R3), (F16, F17);   \
	FLDPQ 32(R3), (F18, F19);  \
	FACTOR(0, F0, 0, R8);      \
	FACTOR(1, F1, 1, R9);      \
	FACTOR(2, F2, 2, R10);     \
	FACTOR(3, F3, 3, R11);     \
	FABS(4, 0);                \
	FABS(5, 1);                \
	FABS(6, 2);                \
	FABS(7, 3);                \
	FMAX(4, 4, 5);             \
	FMAX(6, 6, 7);             \
	FMAX(4, 4, 6);             \
	FMAX(4, 4, 18);            \
	FDIV(30, 4, divisor);      \
	FDIV(16, 16, 4);           \
	AHEAD(R12);                \
	AHEAD(R13);                \
	AHEAD(R14);                \
	AHEAD(R15);                \
	FMUL(0, 0, 16);            \
	FMUL(1, 1, 16);            \
	FMUL(2, 2, 16);            \
	FMUL(3, 3, 16);            \
	FCVTNS(0, 0);              \
	FCVTNS(1, 1);              \
	FCVTNS(2, 2);              \
	FCVTNS(3, 3)

// func axpyQ4x4DotProd(y []float32, f *[4]float32, quants, scales, ahead *[4]*byte, skip int)
//
// Four rows at once. In a block, row i's factor is c = f[i] times its scale. The four are rounded to words k, c ≈ s·k with
// the largest at 32639, and the words parted in two bytes with a sign each, so that four rows' products come of two SDOT;
// then y += s·Σ k·(q-8). V27 is the mask of high nibbles, V28 and V29 the upper and lower bytes of k, a long for each block,
// V30 s/16, V31 the top bits.
TEXT ·axpyQ4x4DotProd(SB), NOSPLIT, $0-64
	ARGUMENTS
	FLDPQ 64(R3), (F24, F25)
	FMOVQ 96(R3), F31
	FMOVQ 112(R3), F27
	SUBS  $128, R1
	BLT   done

four:
	FACTORS(17)
	ADDS4(4, 0, 19)
	ADDS4(5, 1, 19)
	ADDS4(6, 2, 19)
	ADDS4(7, 3, 19)
	VTBL V24.B16, [V0.B16, V1.B16, V2.B16, V3.B16], V29.B16
	VTBL V25.B16, [V4.B16, V5.B16, V6.B16, V7.B16], V28.B16
	BLOCK(0)
	BLOCK(1)
	BLOCK(2)
	BLOCK(3)
	ADD  $512, R0
	SUBS $128, R1
	BGE  four

done:
	RET

// ROW adds the products of the block in register row with element i of k to V16-V23.
#define ROW(row, k, i) \
	USHR4B(24, row);       \
	ANDB(25, row, 31);     \
	UXTLB(4, 25);          \
	UXTL2B(5, 25);         \
	UXTLB(6, 24);          \
	UXTL2B(7, 24);         \
	SMLALE(16, 4, k, i);   \
	SMLAL2E(17, 4, k, i);  \
	SMLALE(18, 5, k, i);   \
	SMLAL2E(19, 5, k, i);  \
	SMLALE(20, 6, k, i);   \
	SMLAL2E(21, 6, k, i);  \
	SMLALE(22, 7, k, i);   \
	SMLAL2E(23, 7, k, i)

// BLOCKW is BLOCK by products of words.
#define BLOCKW(b) \
	FMOVQ.P 16(R4), F0;                 \
	FMOVQ.P 16(R5), F1;                 \
	FMOVQ.P 16(R6), F2;                 \
	FMOVQ.P 16(R7), F3;                 \
	DUPS(16, 10, b);                    \
	DUPS(17, 10, b);                    \
	DUPS(18, 10, b);                    \
	DUPS(19, 10, b);                    \
	DUPS(20, 10, b);                    \
	DUPS(21, 10, b);                    \
	DUPS(22, 10, b);                    \
	DUPS(23, 10, b);                    \
	ROW(0, 8, b);                       \
	ROW(1, 8, 4+b);                     \
	ROW(2, 9, b);                       \
	ROW(3, 9, 4+b);                     \
	FLDPQ   (128*b+0)(R0), (F0, F1);    \
	FLDPQ   (128*b+32)(R0), (F2, F3);   \
	FLDPQ   (128*b+64)(R0), (F4, F5);   \
	FLDPQ   (128*b+96)(R0), (F6, F7);   \
	EIGHT2(SCVTF, 16, 16);              \
	EIGHT(FMLAE, 0, 16, 30, b);         \
	FSTPQ   (F0, F1), (128*b+0)(R0);    \
	FSTPQ   (F2, F3), (128*b+32)(R0);   \
	FSTPQ   (F4, F5), (128*b+64)(R0);   \
	FSTPQ   (F6, F7), (128*b+96)(R0)

// func axpyQ4x4NEON(y []float32, f *[4]float32, quants, scales, ahead *[4]*byte, skip int)
//
// As axpyQ4x4DotProd, but words of k are multiplied as they are: y += s·(Σ k·q − 8·Σ k). V8 and V9 are the words, four blocks
// of four rows, V10 −8·Σ k, V30 s, V31 the mask of low nibbles.
TEXT ·axpyQ4x4NEON(SB), NOSPLIT, $0-64
	ARGUMENTS
	VMOVI $15, V31.B16
	SUBS  $128, R1
	BLT   done

four:
	FACTORS(16)
	ADDS4(4, 0, 1)
	ADDS4(5, 2, 3)
	ADDS4(4, 4, 5)
	SHL3S(4, 4)
	NEGS(10, 4)
	SQXTNS(8, 0)
	SQXTN2S(8, 1)
	SQXTNS(9, 2)
	SQXTN2S(9, 3)
	BLOCKW(0)
	BLOCKW(1)
	BLOCKW(2)
	BLOCKW(3)
	ADD  $512, R0
	SUBS $128, R1
	BGE  four

done:
	RET
