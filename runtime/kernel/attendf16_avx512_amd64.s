//go:build !noasm

#include "textflag.h"

// Attention of one token to a tile of float16 keys and values, as in attendf16_amd64.h, with two, four or six queries at once, four positions or 64
// columns of each. Sums are added in the order of scores2AVX512 and addWeighted2AVX512.

// QUERY adds the products of sixteen numbers of a query at q with those of four keys in Z24 to Z27 to a, b, c and d.
#define QUERY(q, a, b, c, d) \
	VMOVUPS     q, Z28;      \
	VFMADD231PS Z24, Z28, a; \
	VFMADD231PS Z25, Z28, b; \
	VFMADD231PS Z26, Z28, c; \
	VFMADD231PS Z27, Z28, d

// QUERIES2 to QUERIES6 do so for sixteen numbers of queries at R11 and, three rows further, at R15. A row has R8 bytes. CX is the byte in the keys.
#define QUERIES2 \
	VCVTPH2PS (SI)(CX*1), Z24;              \
	VCVTPH2PS (R9)(CX*1), Z25;              \
	VCVTPH2PS (R13)(CX*1), Z26;             \
	VCVTPH2PS (AX)(CX*1), Z27;              \
	QUERY((R11), Z0, Z1, Z2, Z3);           \
	QUERY((R11)(R8*1), Z4, Z5, Z6, Z7)

#define QUERIES4 \
	QUERIES2;                               \
	QUERY((R11)(R8*2), Z8, Z9, Z10, Z11);   \
	QUERY((R15), Z12, Z13, Z14, Z15)

#define QUERIES6 \
	QUERIES4;                               \
	QUERY((R15)(R8*1), Z16, Z17, Z18, Z19); \
	QUERY((R15)(R8*2), Z20, Z21, Z22, Z23)

// HALVE adds the upper halves of a and b to their lower ones: those of a in the lower half of a, those of b in its upper.
#define HALVE(a, b) \
	VSHUFF64X2 $0x44, b, a, Z29; \
	VSHUFF64X2 $0xee, b, a, Z30; \
	VADDPS     Z30, Z29, a

// HADD adds pairs of floats within the lanes of a and b, as VHADDPS b, a, a would.
#define HADD(a, b) \
	VSHUFPS $0x88, b, a, Z29; \
	VSHUFPS $0xdd, b, a, Z30; \
	VADDPS  Z30, Z29, a

// SUMS stores the sums of the sixteen floats of each of a, b, c and d, four positions of a query, at r(DI), and those of e, f, g and h, of the next one,
// behind. Before the last step lanes 0 and 1 of a have positions 0 and 2 of both queries, in halves to be added, and lanes 2 and 3 positions 1 and 3.
#define SUMS(a, b, c, d, e, f, g, h, r) \
	HALVE(a, b);                      \
	HALVE(c, d);                      \
	HALVE(e, f);                      \
	HALVE(g, h);                      \
	HADD(a, c);                       \
	HADD(e, g);                       \
	HADD(a, e);                       \
	VSHUFF32X4    $0x88, a, a, Z29;   \
	VSHUFF32X4    $0xdd, a, a, Z30;   \
	VADDPS        Y30, Y29, Y29;      \
	VEXTRACTF32X4 $1, Y29, X30;       \
	VUNPCKLPS     X30, X29, X28;      \
	VUNPCKHPS     X30, X29, X29;      \
	VMOVUPS       X28, r(DI);         \
	VMOVUPS       X29, (r+128)(DI)

#define ZERO(a, b, c, d) \
	VPXORQ a, a, a; \
	VPXORQ b, b, b; \
	VPXORQ c, c, c; \
	VPXORQ d, d, d

#define ZERO2 \
	ZERO(Z0, Z1, Z2, Z3);     \
	ZERO(Z4, Z5, Z6, Z7)

#define ZERO4 \
	ZERO2;                    \
	ZERO(Z8, Z9, Z10, Z11);   \
	ZERO(Z12, Z13, Z14, Z15)

#define ZERO6 \
	ZERO4;                    \
	ZERO(Z16, Z17, Z18, Z19); \
	ZERO(Z20, Z21, Z22, Z23)

#define SUMS2 \
	SUMS(Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, 0)

#define SUMS4 \
	SUMS2;                                              \
	SUMS(Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15, 256)

#define SUMS6 \
	SUMS4;                                              \
	SUMS(Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23, 512)

// SCORES takes four positions at a time, at SI, R9, R13 and AX; for those that are missing at the end the last one again. R10 is the bytes of a key.
#define SCORES(ZERO, QUERIES, SUM) \
	MOVQ dst+0(FP), DI;    \
	MOVQ q+8(FP), R12;     \
	MOVQ k+16(FP), SI;     \
	MOVQ n+24(FP), DX;     \
	MOVQ d+32(FP), R10;    \
	MOVQ ahead+40(FP), BX; \
	SHLQ $1, R10;          \
	LEAQ (R10)(R10*1), R8; \
positions: \
	LEAQ    (SI)(R10*1), R9;  \
	CMPQ    DX, $2;           \
	CMOVQLT SI, R9;           \
	LEAQ    (R9)(R10*1), R13; \
	CMPQ    DX, $3;           \
	CMOVQLT R9, R13;          \
	LEAQ    (R13)(R10*1), AX; \
	CMPQ    DX, $4;           \
	CMOVQLT R13, AX;          \
	ZERO;                     \
	MOVQ    R12, R11;         \
	LEAQ    (R12)(R8*2), R15; \
	ADDQ    R8, R15;          \
	XORQ    CX, CX;           \
sixteen: \
	PREFETCHT1 (BX);   \
	PREFETCHT1 64(BX); \
	QUERIES;           \
	ADDQ $128, BX;     \
	ADDQ $64, R11;     \
	ADDQ $64, R15;     \
	ADDQ $32, CX;      \
	CMPQ CX, R10;      \
	JNE  sixteen;      \
	SUM;               \
	LEAQ (AX)(R10*1), SI; \
	ADDQ $16, DI;      \
	SUBQ $4, DX;       \
	JGT  positions;    \
	VZEROUPPER;        \
	RET

// WEIGHT adds 64 numbers of a value in Z24 to Z27, times the weight at p, to a, b, c and d.
#define WEIGHT(p, a, b, c, d) \
	VBROADCASTSS p, Z28;      \
	VFMADD231PS  Z28, Z24, a; \
	VFMADD231PS  Z28, Z25, b; \
	VFMADD231PS  Z28, Z26, c; \
	VFMADD231PS  Z28, Z27, d

// WEIGHTS2 to WEIGHTS6 do so for the value at R9, whose weights are at R11 and, PositionTile floats further, each.
#define WEIGHTS2 \
	VCVTPH2PS 0(R9), Z24;                     \
	VCVTPH2PS 32(R9), Z25;                    \
	VCVTPH2PS 64(R9), Z26;                    \
	VCVTPH2PS 96(R9), Z27;                    \
	WEIGHT(0(R11), Z0, Z1, Z2, Z3);           \
	WEIGHT(128(R11), Z4, Z5, Z6, Z7)

#define WEIGHTS4 \
	WEIGHTS2;                                 \
	WEIGHT(256(R11), Z8, Z9, Z10, Z11);       \
	WEIGHT(384(R11), Z12, Z13, Z14, Z15)

#define WEIGHTS6 \
	WEIGHTS4;                                 \
	WEIGHT(512(R11), Z16, Z17, Z18, Z19);     \
	WEIGHT(640(R11), Z20, Z21, Z22, Z23)

#define ROW(MOVE, row, a, b, c, d) \
	MOVE(row, 0, a);   \
	MOVE(row, 64, b);  \
	MOVE(row, 128, c); \
	MOVE(row, 192, d)

#define LOAD(row, o, z) VMOVUPS o row, z
#define STORE(row, o, z) VMOVUPS z, o row

#define ROWS2(MOVE) \
	ROW(MOVE, (DI), Z0, Z1, Z2, Z3);            \
	ROW(MOVE, (DI)(R8*1), Z4, Z5, Z6, Z7)

#define ROWS4(MOVE) \
	ROWS2(MOVE);                                \
	ROW(MOVE, (DI)(R8*2), Z8, Z9, Z10, Z11);    \
	ROW(MOVE, (R15), Z12, Z13, Z14, Z15)

#define ROWS6(MOVE) \
	ROWS4(MOVE);                                \
	ROW(MOVE, (R15)(R8*1), Z16, Z17, Z18, Z19); \
	ROW(MOVE, (R15)(R8*2), Z20, Z21, Z22, Z23)

// ADD takes 64 columns at a time: those of the rows at DI and, three rows further, at R15. R10 is the bytes of a value.
#define ADD(ROWS, WEIGHTS) \
	MOVQ out+0(FP), DI;       \
	MOVQ p+8(FP), R12;        \
	MOVQ v+16(FP), SI;        \
	MOVQ n+24(FP), DX;        \
	MOVQ d+32(FP), R10;       \
	MOVQ ahead+40(FP), BX;    \
	MOVQ R10, CX;             \
	SHLQ $1, R10;             \
	LEAQ (R10)(R10*1), R8;    \
	LEAQ (DI)(R8*2), R15;     \
	ADDQ R8, R15;             \
columns: \
	ROWS(LOAD);        \
	MOVQ  SI, R9;      \
	MOVQ  R12, R11;    \
	MOVQ  DX, AX;      \
position: \
	PREFETCHT1 (BX);   \
	PREFETCHT1 64(BX); \
	WEIGHTS;           \
	ADDQ R10, R9;      \
	ADDQ $128, BX;     \
	ADDQ $4, R11;      \
	DECQ AX;           \
	JNE  position;     \
	ROWS(STORE);       \
	ADDQ $256, DI;     \
	ADDQ $256, R15;    \
	ADDQ $128, SI;     \
	SUBQ $64, CX;      \
	JNE  columns;      \
	VZEROUPPER;        \
	RET

// func scoresF16x2AVX512(dst, q *float32, k *byte, n, d int, ahead *byte)
TEXT ·scoresF16x2AVX512(SB), NOSPLIT, $0-48
	SCORES(ZERO2, QUERIES2, SUMS2)

// func scoresF16x4AVX512(dst, q *float32, k *byte, n, d int, ahead *byte)
TEXT ·scoresF16x4AVX512(SB), NOSPLIT, $0-48
	SCORES(ZERO4, QUERIES4, SUMS4)

// func scoresF16x6AVX512(dst, q *float32, k *byte, n, d int, ahead *byte)
TEXT ·scoresF16x6AVX512(SB), NOSPLIT, $0-48
	SCORES(ZERO6, QUERIES6, SUMS6)

// func addWeightedF16x2AVX512(out, p *float32, v *byte, n, d int, ahead *byte)
TEXT ·addWeightedF16x2AVX512(SB), NOSPLIT, $0-48
	ADD(ROWS2, WEIGHTS2)

// func addWeightedF16x4AVX512(out, p *float32, v *byte, n, d int, ahead *byte)
TEXT ·addWeightedF16x4AVX512(SB), NOSPLIT, $0-48
	ADD(ROWS4, WEIGHTS4)

// func addWeightedF16x6AVX512(out, p *float32, v *byte, n, d int, ahead *byte)
TEXT ·addWeightedF16x6AVX512(SB), NOSPLIT, $0-48
	ADD(ROWS6, WEIGHTS6)
