//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"

// A group of Q4_0 or Q8_0 rows with packed vectors (see packed.go): a register has one number of each of the sixteen rows. Eight vectors at a time, or the
// four of a last quad, have their sums in Z0-Z7 and their results in Z8-Z15; Z16-Z23 are a block's weights, four numbers of each row in a register,
// Z24 their scales, Z25 scratch, Z31 a constant.

// AHEAD: see group_amd64.s.
#define AHEAD 2048

// ADD adds the sums in v, times the scale at d(DI) and the weights' scales, to y. Both scales are multiplied first, as in group_avx512_amd64.s.
#define ADD(d, v, y) \
	VCVTDQ2PS   v, v;            \
	VMULPS.BCST (d)(DI), Z24, Z25; \
	VFMADD231PS Z25, v, y

#define FINISH(q, a, b, c, d, ya, yb, yc, yd) \
	ADD(q+128, a, ya); \
	ADD(q+132, b, yb); \
	ADD(q+136, c, yc); \
	ADD(q+140, d, yd)

// NEXT prefetches what lies at R13 for a block, in the first pass over the blocks, unless it is nil.
#define NEXT(on) \
	TESTQ R13, R13;         \
	JZ    on;               \
	PREFETCHT1 0(R13);      \
	PREFETCHT1 64(R13);     \
	PREFETCHT1 128(R13);    \
	PREFETCHT1 192(R13);    \
	PREFETCHT1 256(R13);    \
	PREFETCHT1 320(R13);    \
	PREFETCHT1 384(R13);    \
	PREFETCHT1 448(R13);    \
	PREFETCHT1 512(R13);    \
	ADDQ  $const_aheadBytes, R13; \
on:

// GROUP is a function of dst *float32, stride int, group, packed []byte, quads, blocks int, ahead *byte. It is for a type of weights, of which EIGHT, FOUR, PAIR
// and SECOND are. The products of a vector are stride numbers from those of the one before. While the kernel computes a block, it prefetches aheadBytes of what
// lies at ahead, if it is not nil. R8 are the quads that are left, R9 the bytes of a block of all, R12 and DI where the current ones begin and go on; CX are
// the blocks that are left, R10 is the stride in bytes.
#define GROUP \
	MOVQ  dst+0(FP), AX; \
	MOVQ  stride+8(FP), R10; \
	SHLQ  $2, R10; \
	MOVQ  packed_base+40(FP), R12; \
	MOVQ  quads+64(FP), R8; \
	MOVQ  ahead+80(FP), R13; \
	IMUL3Q $160, R8, R9; \
	CONSTANT; \
	SUBQ  $2, R8; \
	JLT   four; \
eight: \
	MOVQ   group_base+16(FP), SI; \
	MOVQ   blocks+72(FP), CX; \
	MOVQ   R12, DI; \
	VPXORQ Z8, Z8, Z8; \
	VPXORQ Z9, Z9, Z9; \
	VPXORQ Z10, Z10, Z10; \
	VPXORQ Z11, Z11, Z11; \
	VPXORQ Z12, Z12, Z12; \
	VPXORQ Z13, Z13, Z13; \
	VPXORQ Z14, Z14, Z14; \
	VPXORQ Z15, Z15, Z15; \
	SUBQ   $2, CX; \
	JLT    lastof8; \
pairof8: \
	NEXT(first8); \
	EIGHT(0, 64); \
	NEXT(second8); \
	EIGHT(32, SECOND); \
	ADDQ $PAIR, SI; \
	SUBQ $2, CX; \
	JGE  pairof8; \
lastof8: \
	ADDQ $2, CX; \
	JZ   store8; \
	NEXT(third8); \
	EIGHT(0, 32); \
store8: \
	XORQ R13, R13; \
	VMOVUPS Z8, (AX); \
	ADDQ    R10, AX; \
	VMOVUPS Z9, (AX); \
	ADDQ    R10, AX; \
	VMOVUPS Z10, (AX); \
	ADDQ    R10, AX; \
	VMOVUPS Z11, (AX); \
	ADDQ    R10, AX; \
	VMOVUPS Z12, (AX); \
	ADDQ    R10, AX; \
	VMOVUPS Z13, (AX); \
	ADDQ    R10, AX; \
	VMOVUPS Z14, (AX); \
	ADDQ    R10, AX; \
	VMOVUPS Z15, (AX); \
	ADDQ    R10, AX; \
	ADDQ $320, R12; \
	SUBQ $2, R8; \
	JGE  eight; \
four: \
	ADDQ $2, R8; \
	JZ   done; \
	MOVQ   group_base+16(FP), SI; \
	MOVQ   blocks+72(FP), CX; \
	MOVQ   R12, DI; \
	VPXORQ Z8, Z8, Z8; \
	VPXORQ Z9, Z9, Z9; \
	VPXORQ Z10, Z10, Z10; \
	VPXORQ Z11, Z11, Z11; \
	SUBQ   $2, CX; \
	JLT    lastof4; \
pairof4: \
	NEXT(first4); \
	FOUR(0, 64); \
	NEXT(second4); \
	FOUR(32, SECOND); \
	ADDQ $PAIR, SI; \
	SUBQ $2, CX; \
	JGE  pairof4; \
lastof4: \
	ADDQ $2, CX; \
	JZ   store4; \
	NEXT(third4); \
	FOUR(0, 32); \
store4: \
	VMOVUPS Z8, (AX); \
	ADDQ    R10, AX; \
	VMOVUPS Z9, (AX); \
	ADDQ    R10, AX; \
	VMOVUPS Z10, (AX); \
	ADDQ    R10, AX; \
	VMOVUPS Z11, (AX); \
	ADDQ    R10, AX; \
done: \
	VZEROUPPER; \
	RET

// Q4_0: Z16-Z19 are the low nibbles, Z20-Z23 the high ones. PAIR is what two blocks take, SECOND where the quants of the second are.
#define PAIR 576
#define SECOND 320
#define CONSTANT VPBROADCASTQ nibble<>(SB), Z31

#define LINE(w, lo, hi) \
	VMOVDQU64  (w)(SI), lo;      \
	PREFETCHT0 (w+AHEAD)(SI);    \
	VPSRLW     $4, lo, hi;       \
	VPANDQ     Z31, lo, lo;      \
	VPANDQ     Z31, hi, hi

// WEIGHTS unpacks the block whose scales and quants are at s and w.
#define WEIGHTS(s, w) \
	LINE(w, Z16, Z20);       \
	LINE(w+64, Z17, Z21);    \
	LINE(w+128, Z18, Z22);   \
	LINE(w+192, Z19, Z23);   \
	VCVTPH2PS (s)(SI), Z24

// FIRST is what the sums of the quad at q(DI) start from.
#define FIRST(q, a, b, c, d) \
	VPBROADCASTD (q+144)(DI), a; \
	VPBROADCASTD (q+148)(DI), b; \
	VPBROADCASTD (q+152)(DI), c; \
	VPBROADCASTD (q+156)(DI), d

// WORD adds the products of numbers i to i+3 and 16+i to 19+i with those of the quad's vectors.
#define WORD(q, i, lo, hi, a, b, c, d) \
	VPDPBUSD.BCST (q+i+0)(DI), lo, a;   \
	VPDPBUSD.BCST (q+i+32)(DI), lo, b;  \
	VPDPBUSD.BCST (q+i+64)(DI), lo, c;  \
	VPDPBUSD.BCST (q+i+96)(DI), lo, d;  \
	VPDPBUSD.BCST (q+i+16)(DI), hi, a;  \
	VPDPBUSD.BCST (q+i+48)(DI), hi, b;  \
	VPDPBUSD.BCST (q+i+80)(DI), hi, c;  \
	VPDPBUSD.BCST (q+i+112)(DI), hi, d

// EIGHT multiplies the block whose scales and quants are at s and w with two quads, and moves on to their next block.
#define EIGHT(s, w) \
	WEIGHTS(s, w);                          \
	FIRST(0, Z0, Z1, Z2, Z3);               \
	FIRST(160, Z4, Z5, Z6, Z7);             \
	WORD(0, 0, Z16, Z20, Z0, Z1, Z2, Z3);   \
	WORD(160, 0, Z16, Z20, Z4, Z5, Z6, Z7); \
	WORD(0, 4, Z17, Z21, Z0, Z1, Z2, Z3);   \
	WORD(160, 4, Z17, Z21, Z4, Z5, Z6, Z7); \
	WORD(0, 8, Z18, Z22, Z0, Z1, Z2, Z3);   \
	WORD(160, 8, Z18, Z22, Z4, Z5, Z6, Z7); \
	WORD(0, 12, Z19, Z23, Z0, Z1, Z2, Z3);   \
	WORD(160, 12, Z19, Z23, Z4, Z5, Z6, Z7); \
	FINISH(0, Z0, Z1, Z2, Z3, Z8, Z9, Z10, Z11); \
	FINISH(160, Z4, Z5, Z6, Z7, Z12, Z13, Z14, Z15); \
	ADDQ R9, DI

// FOUR does so with one.
#define FOUR(s, w) \
	WEIGHTS(s, w);                        \
	FIRST(0, Z0, Z1, Z2, Z3);             \
	WORD(0, 0, Z16, Z20, Z0, Z1, Z2, Z3);  \
	WORD(0, 4, Z17, Z21, Z0, Z1, Z2, Z3);  \
	WORD(0, 8, Z18, Z22, Z0, Z1, Z2, Z3);  \
	WORD(0, 12, Z19, Z23, Z0, Z1, Z2, Z3); \
	FINISH(0, Z0, Z1, Z2, Z3, Z8, Z9, Z10, Z11); \
	ADDQ R9, DI

// func groupPackedEachAVX512(dst *float32, stride int, group, packed []byte, quads, blocks int, ahead *byte)
TEXT ·groupPackedEachAVX512(SB), NOSPLIT, $0-88
	GROUP

#undef PAIR
#undef SECOND
#undef CONSTANT
#undef LINE
#undef WEIGHTS
#undef FIRST
#undef WORD
#undef EIGHT
#undef FOUR

// Q8_0: the weights are made 128 more than they stand for, as VPDPBUSD takes one operand without a sign.
#define PAIR 1088
#define SECOND 576
#define CONSTANT VPBROADCASTQ flip8<>(SB), Z31

#define LINE(w, r) \
	VPXORQ     (w)(SI), Z31, r; \
	PREFETCHT0 (w+AHEAD)(SI)

#define WEIGHTS(s, w) \
	LINE(w, Z16);      \
	LINE(w+64, Z17);   \
	LINE(w+128, Z18);  \
	LINE(w+192, Z19);  \
	LINE(w+256, Z20);  \
	LINE(w+320, Z21);  \
	LINE(w+384, Z22);  \
	LINE(w+448, Z23);  \
	VCVTPH2PS (s)(SI), Z24

// FIRST is what the sums of the quad at q(DI) start from: −128·Σq, sixteen times what they do with Q4_0.
#define FIRST(q, a, b, c, d) \
	VPBROADCASTD (q+144)(DI), a; \
	VPBROADCASTD (q+148)(DI), b; \
	VPBROADCASTD (q+152)(DI), c; \
	VPBROADCASTD (q+156)(DI), d; \
	VPSLLD $4, a, a;             \
	VPSLLD $4, b, b;             \
	VPSLLD $4, c, c;             \
	VPSLLD $4, d, d

// WORD adds the products of numbers i to i+3 with those of the quad's vectors.
#define WORD(q, i, w, a, b, c, d) \
	VPDPBUSD.BCST (q+i+0)(DI), w, a;  \
	VPDPBUSD.BCST (q+i+32)(DI), w, b; \
	VPDPBUSD.BCST (q+i+64)(DI), w, c; \
	VPDPBUSD.BCST (q+i+96)(DI), w, d

#define EIGHT(s, w) \
	WEIGHTS(s, w); \
	FIRST(0, Z0, Z1, Z2, Z3); \
	FIRST(160, Z4, Z5, Z6, Z7); \
	WORD(0, 0, Z16, Z0, Z1, Z2, Z3); \
	WORD(160, 0, Z16, Z4, Z5, Z6, Z7); \
	WORD(0, 4, Z17, Z0, Z1, Z2, Z3); \
	WORD(160, 4, Z17, Z4, Z5, Z6, Z7); \
	WORD(0, 8, Z18, Z0, Z1, Z2, Z3); \
	WORD(160, 8, Z18, Z4, Z5, Z6, Z7); \
	WORD(0, 12, Z19, Z0, Z1, Z2, Z3); \
	WORD(160, 12, Z19, Z4, Z5, Z6, Z7); \
	WORD(0, 16, Z20, Z0, Z1, Z2, Z3); \
	WORD(160, 16, Z20, Z4, Z5, Z6, Z7); \
	WORD(0, 20, Z21, Z0, Z1, Z2, Z3); \
	WORD(160, 20, Z21, Z4, Z5, Z6, Z7); \
	WORD(0, 24, Z22, Z0, Z1, Z2, Z3); \
	WORD(160, 24, Z22, Z4, Z5, Z6, Z7); \
	WORD(0, 28, Z23, Z0, Z1, Z2, Z3); \
	WORD(160, 28, Z23, Z4, Z5, Z6, Z7); \
	FINISH(0, Z0, Z1, Z2, Z3, Z8, Z9, Z10, Z11); \
	FINISH(160, Z4, Z5, Z6, Z7, Z12, Z13, Z14, Z15); \
	ADDQ R9, DI

#define FOUR(s, w) \
	WEIGHTS(s, w); \
	FIRST(0, Z0, Z1, Z2, Z3); \
	WORD(0, 0, Z16, Z0, Z1, Z2, Z3); \
	WORD(0, 4, Z17, Z0, Z1, Z2, Z3); \
	WORD(0, 8, Z18, Z0, Z1, Z2, Z3); \
	WORD(0, 12, Z19, Z0, Z1, Z2, Z3); \
	WORD(0, 16, Z20, Z0, Z1, Z2, Z3); \
	WORD(0, 20, Z21, Z0, Z1, Z2, Z3); \
	WORD(0, 24, Z22, Z0, Z1, Z2, Z3); \
	WORD(0, 28, Z23, Z0, Z1, Z2, Z3); \
	FINISH(0, Z0, Z1, Z2, Z3, Z8, Z9, Z10, Z11); \
	ADDQ R9, DI

// func groupPackedQ8AVX512(dst *float32, stride int, group, packed []byte, quads, blocks int, ahead *byte)
TEXT ·groupPackedQ8AVX512(SB), NOSPLIT, $0-88
	GROUP
