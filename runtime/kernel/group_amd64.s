//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"

// The layout of a group is described in package quant. Lines are the 64 bytes that hold one word of 16 rows; rows 0-7 are
// summed up in one register, rows 8-15 in another.

// AHEAD is how far the weights are prefetched: out of memory, 2 KB was a fifth faster than nothing, 1 KB less, 4 and 8 KB
// no better.
#define AHEAD 2048

// HALF adds the products of half a line at w(SI) to the words of sum. Y8 and Y9 are the activations that meet the low and
// the high nibbles. A word collects 16 products of at most 15·127, which fits.
#define HALF(w, lo, hi, sum) \
	VMOVDQU    (w)(SI), lo;  \
	UNPACK(lo, hi);          \
	VPMADDUBSW Y8, lo, lo;   \
	VPMADDUBSW Y9, hi, hi;   \
	VPADDW     lo, sum, sum; \
	VPADDW     hi, sum, sum

#define LINE(w, x) \
	VPBROADCASTD (x)(DI), Y8;       \
	VPBROADCASTD (x+16)(DI), Y9;    \
	HALF(w, Y0, Y1, Y10);           \
	HALF(w+32, Y2, Y3, Y11);        \
	PREFETCHT0   (w+AHEAD)(SI)

// SCALE adds the integers in Y10 and Y11, times the weights' scales at s(SI) and the activations' scale in Y1, to Y12, Y13.
#define SCALE(s) \
	VCVTDQ2PS   Y10, Y10;       \
	VCVTDQ2PS   Y11, Y11;       \
	VCVTPH2PS   (s)(SI), Y2;    \
	VCVTPH2PS   (s+16)(SI), Y3; \
	VMULPS      Y1, Y2, Y2;     \
	VMULPS      Y1, Y3, Y3;     \
	VFMADD231PS Y2, Y10, Y12;   \
	VFMADD231PS Y3, Y11, Y13

// BLOCK adds block k from the current one, whose scales and quants are at s and w.
#define BLOCK(k, s, w) \
	VPXOR        Y10, Y10, Y10;   \
	VPXOR        Y11, Y11, Y11;   \
	LINE(w+0, 32*k+0);            \
	LINE(w+64, 32*k+4);           \
	LINE(w+128, 32*k+8);          \
	LINE(w+192, 32*k+12);         \
	VPMADDWD     Y14, Y10, Y10;   \
	VPMADDWD     Y14, Y11, Y11;   \
	VPBROADCASTD (4*k)(DX), Y0;   \
	VPSLLD       $3, Y0, Y0;      \
	VPSUBD       Y0, Y10, Y10;    \
	VPSUBD       Y0, Y11, Y11;    \
	VBROADCASTSS (4*k)(R13), Y1;  \
	SCALE(s)

// func groupQ4AVX2(acc *[16]float32, group []byte, x *vector)
TEXT ·groupQ4AVX2(SB), NOSPLIT, $0-40
	MOVQ         acc+0(FP), R8
	MOVQ         group_base+8(FP), SI
	MOVQ         x+32(FP), R11
	MOVQ         vector_q(R11), DI
	MOVQ         vector_d(R11), R13
	MOVQ         (vector_d+8)(R11), AX
	MOVQ         vector_sum(R11), DX
	VPBROADCASTQ nibble<>(SB), Y15
	VPBROADCASTQ ones<>(SB), Y14
	VPXOR        Y12, Y12, Y12
	VPXOR        Y13, Y13, Y13
	SUBQ         $2, AX
	JLT          last

pair:
	PREFETCHT0 AHEAD(SI)
	BLOCK(0, 0, 64)
	BLOCK(1, 32, 320)
	ADDQ       $576, SI
	ADDQ       $64, DI
	ADDQ       $8, R13
	ADDQ       $8, DX
	SUBQ       $2, AX
	JGE        pair

last:
	ADDQ $2, AX
	JZ   done
	BLOCK(0, 0, 32)

done:
	VMOVUPS Y12, (R8)
	VMOVUPS Y13, 32(R8)
	VZEROUPPER
	RET

// HALF8 adds the products of half a line of Q8_0 at w(SI) to the longs of sum: |w| times the activations in Y8 with the
// signs of w, as one of the factors has to be unsigned. Two products of at most 128·127 fit a word.
#define HALF8(w, abs, signed, sum) \
	VMOVDQU    (w)(SI), signed;       \
	VPABSB     signed, abs;           \
	VPSIGNB    signed, Y8, signed;    \
	VPMADDUBSW signed, abs, abs;      \
	VPMADDWD   Y14, abs, abs;         \
	VPADDD     abs, sum, sum

#define LINE8(w, x) \
	VPBROADCASTD (x)(DI), Y8;     \
	HALF8(w, Y0, Y1, Y10);        \
	HALF8(w+32, Y2, Y3, Y11);     \
	PREFETCHT0   (w+AHEAD)(SI)

#define BLOCK8(k, s, w) \
	VPXOR        Y10, Y10, Y10;  \
	VPXOR        Y11, Y11, Y11;  \
	LINE8(w+0, 32*k+0);          \
	LINE8(w+64, 32*k+4);         \
	LINE8(w+128, 32*k+8);        \
	LINE8(w+192, 32*k+12);       \
	LINE8(w+256, 32*k+16);       \
	LINE8(w+320, 32*k+20);       \
	LINE8(w+384, 32*k+24);       \
	LINE8(w+448, 32*k+28);       \
	VBROADCASTSS (4*k)(R13), Y1; \
	SCALE(s)

// func groupQ8AVX2(acc *[16]float32, group []byte, x *vector)
TEXT ·groupQ8AVX2(SB), NOSPLIT, $0-40
	MOVQ         acc+0(FP), R8
	MOVQ         group_base+8(FP), SI
	MOVQ         x+32(FP), R11
	MOVQ         vector_q(R11), DI
	MOVQ         vector_d(R11), R13
	MOVQ         (vector_d+8)(R11), AX
	VPBROADCASTQ ones<>(SB), Y14
	VPXOR        Y12, Y12, Y12
	VPXOR        Y13, Y13, Y13
	SUBQ         $2, AX
	JLT          last

pair:
	PREFETCHT0 AHEAD(SI)
	BLOCK8(0, 0, 64)
	BLOCK8(1, 32, 576)
	ADDQ       $1088, SI
	ADDQ       $64, DI
	ADDQ       $8, R13
	SUBQ       $2, AX
	JGE        pair

last:
	ADDQ $2, AX
	JZ   done
	BLOCK8(0, 0, 32)

done:
	VMOVUPS Y12, (R8)
	VMOVUPS Y13, 32(R8)
	VZEROUPPER
	RET
