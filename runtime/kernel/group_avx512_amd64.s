//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"

// The layout of a group is described in package quant. A line of 64 bytes holds one word of 16 rows: a register, whose lanes
// are rows. VPDPBUSD multiplies it with four activations, which are broadcast.

// AHEAD: see group_amd64.s.
#define AHEAD 2048

// UNPACK512 leaves the low nibbles of the line at w(SI) in lo, the high ones in hi. Z31 is nibble.
#define UNPACK512(w, lo, hi) \
	VMOVDQU64 (w)(SI), lo;   \
	VPSRLW    $4, lo, hi;    \
	VPANDQ    Z31, lo, lo;   \
	VPANDQ    Z31, hi, hi

#define LINE(w, x, lo, hi, acc0, acc1) \
	UNPACK512(w, lo, hi);              \
	VPDPBUSD.BCST (x)(DI), lo, acc0;   \
	VPDPBUSD.BCST (x+16)(DI), hi, acc1; \
	PREFETCHT0    (w+AHEAD)(SI)

// BLOCK adds block k from the current one, whose scales and quants are at s and w, to Z30.
#define BLOCK(k, s, w) \
	VPXORQ        Z0, Z0, Z0;                   \
	VPXORQ        Z1, Z1, Z1;                   \
	LINE(w+0, 32*k+0, Z2, Z3, Z0, Z1);          \
	LINE(w+64, 32*k+4, Z4, Z5, Z0, Z1);         \
	LINE(w+128, 32*k+8, Z6, Z7, Z0, Z1);        \
	LINE(w+192, 32*k+12, Z8, Z9, Z0, Z1);       \
	VPADDD        Z1, Z0, Z0;                   \
	VPBROADCASTD  (4*k)(DX), Z2;                \
	VPSLLD        $3, Z2, Z2;                   \
	VPSUBD        Z2, Z0, Z0;                   \
	VCVTDQ2PS     Z0, Z0;                       \
	VCVTPH2PS     (s)(SI), Z3;                  \
	VMULPS.BCST   (4*k)(R13), Z3, Z3;           \
	VFMADD231PS   Z3, Z0, Z30

// func groupQ4AVX512(acc *[16]float32, group []byte, x *vector)
TEXT ·groupQ4AVX512(SB), NOSPLIT, $0-40
	MOVQ         acc+0(FP), R8
	MOVQ         group_base+8(FP), SI
	MOVQ         x+32(FP), R11
	MOVQ         vector_q(R11), DI
	MOVQ         vector_d(R11), R13
	MOVQ         (vector_d+8)(R11), AX
	MOVQ         vector_sum(R11), DX
	VPBROADCASTQ nibble<>(SB), Z31
	VPXORQ       Z30, Z30, Z30
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
	VMOVUPS Z30, (R8)
	VZEROUPPER
	RET

// VECTOR adds the products of a line, unpacked in lo and hi, with four activations at x and at x+16 to acc.
#define VECTOR(base, x, lo, hi, acc) \
	VPDPBUSD.BCST (x)(base), lo, acc; \
	VPDPBUSD.BCST (x+16)(base), hi, acc

#define LINE4(w, x, lo, hi) \
	UNPACK512(w, lo, hi);       \
	VECTOR(R8, x, lo, hi, Z0);  \
	VECTOR(R9, x, lo, hi, Z1);  \
	VECTOR(R10, x, lo, hi, Z2); \
	VECTOR(R11, x, lo, hi, Z3)

// FINISH adds the integers of vector v to y, scaled; Z28 are the weights' scales.
#define FINISH(v, k, acc, y, t) \
	MOVQ         (v*vector__size+vector_sum)(R13), BX; \
	VPBROADCASTD (4*k)(BX)(R12*4), t;                  \
	VPSLLD       $3, t, t;                             \
	VPSUBD       t, acc, acc;                          \
	VCVTDQ2PS    acc, acc;                             \
	MOVQ         (v*vector__size+vector_d)(R13), BX;   \
	SCALE(k, acc, y, t)

#define BLOCK4(k, s, w) \
	VPXORQ    Z0, Z0, Z0;            \
	VPXORQ    Z1, Z1, Z1;            \
	VPXORQ    Z2, Z2, Z2;            \
	VPXORQ    Z3, Z3, Z3;            \
	LINE4(w+0, 32*k+0, Z8, Z9);      \
	LINE4(w+64, 32*k+4, Z10, Z11);   \
	LINE4(w+128, 32*k+8, Z12, Z13);  \
	LINE4(w+192, 32*k+12, Z14, Z15); \
	VCVTPH2PS (s)(SI), Z28;          \
	FINISH(0, k, Z0, Z20, Z4);       \
	FINISH(1, k, Z1, Z21, Z5);       \
	FINISH(2, k, Z2, Z22, Z6);       \
	FINISH(3, k, Z3, Z23, Z7)

// SCALE multiplies both scales first, as the kernels for one vector do: the bits are theirs.
#define SCALE(k, acc, y, t) \
	VMULPS.BCST (4*k)(BX)(R12*4), Z28, t; \
	VFMADD231PS t, acc, y

// func groupQ4x4EachAVX512(acc *[4][16]float32, group []byte, x *[4]vector)
//
// R12 is the block, R13 the vectors.
TEXT ·groupQ4x4EachAVX512(SB), NOSPLIT, $0-40
	MOVQ         acc+0(FP), AX
	MOVQ         group_base+8(FP), SI
	MOVQ         x+32(FP), R13
	MOVQ         (0*vector__size+vector_q)(R13), R8
	MOVQ         (1*vector__size+vector_q)(R13), R9
	MOVQ         (2*vector__size+vector_q)(R13), R10
	MOVQ         (3*vector__size+vector_q)(R13), R11
	MOVQ         (vector_d+8)(R13), CX
	XORQ         R12, R12
	VPBROADCASTQ nibble<>(SB), Z31
	VPXORQ       Z20, Z20, Z20
	VPXORQ       Z21, Z21, Z21
	VPXORQ       Z22, Z22, Z22
	VPXORQ       Z23, Z23, Z23
	SUBQ         $2, CX
	JLT          last

pair:
	BLOCK4(0, 0, 64)
	BLOCK4(1, 32, 320)
	ADDQ $576, SI
	ADDQ $64, R8
	ADDQ $64, R9
	ADDQ $64, R10
	ADDQ $64, R11
	ADDQ $2, R12
	SUBQ $2, CX
	JGE  pair

last:
	ADDQ $2, CX
	JZ   done
	BLOCK4(0, 0, 32)

done:
	VMOVUPS Z20, 0(AX)
	VMOVUPS Z21, 64(AX)
	VMOVUPS Z22, 128(AX)
	VMOVUPS Z23, 192(AX)
	VZEROUPPER
	RET

// LINE8 adds the products of a line of Q8_0 at w(SI) to acc, which has to be corrected: VPDPBUSD takes one factor unsigned,
// so 128 is added to the weights by flipping their top bits. Z31 is those bits.
#define LINE8(w, x, t, acc) \
	VPXORQ        (w)(SI), Z31, t; \
	VPDPBUSD.BCST (x)(DI), t, acc; \
	PREFETCHT0    (w+AHEAD)(SI)

// BLOCK8 is BLOCK for Q8_0.
#define BLOCK8(k, s, w) \
	VPXORQ       Z0, Z0, Z0;          \
	VPXORQ       Z1, Z1, Z1;          \
	LINE8(w+0, 32*k+0, Z2, Z0);       \
	LINE8(w+64, 32*k+4, Z3, Z1);      \
	LINE8(w+128, 32*k+8, Z4, Z0);     \
	LINE8(w+192, 32*k+12, Z5, Z1);    \
	LINE8(w+256, 32*k+16, Z6, Z0);    \
	LINE8(w+320, 32*k+20, Z7, Z1);    \
	LINE8(w+384, 32*k+24, Z8, Z0);    \
	LINE8(w+448, 32*k+28, Z9, Z1);    \
	VPADDD       Z1, Z0, Z0;          \
	VPBROADCASTD (4*k)(DX), Z2;       \
	VPSLLD       $7, Z2, Z2;          \
	VPSUBD       Z2, Z0, Z0;          \
	VCVTDQ2PS    Z0, Z0;              \
	VCVTPH2PS    (s)(SI), Z3;         \
	VMULPS.BCST  (4*k)(R13), Z3, Z3;  \
	VFMADD231PS  Z3, Z0, Z30

// func groupQ8AVX512(acc *[16]float32, group []byte, x *vector)
TEXT ·groupQ8AVX512(SB), NOSPLIT, $0-40
	MOVQ         acc+0(FP), R8
	MOVQ         group_base+8(FP), SI
	MOVQ         x+32(FP), R11
	MOVQ         vector_q(R11), DI
	MOVQ         vector_d(R11), R13
	MOVQ         (vector_d+8)(R11), AX
	MOVQ         vector_sum(R11), DX
	VPBROADCASTQ flip8<>(SB), Z31
	VPXORQ       Z30, Z30, Z30
	SUBQ         $2, AX
	JLT          last

pair:
	PREFETCHT0 AHEAD(SI)
	BLOCK8(0, 0, 64)
	BLOCK8(1, 32, 576)
	ADDQ       $1088, SI
	ADDQ       $64, DI
	ADDQ       $8, R13
	ADDQ       $8, DX
	SUBQ       $2, AX
	JGE        pair

last:
	ADDQ $2, AX
	JZ   done
	BLOCK8(0, 0, 32)

done:
	VMOVUPS Z30, (R8)
	VZEROUPPER
	RET

// LINE2 is LINE for two vectors.
#define LINE2(w, x) \
	UNPACK512(w, Z8, Z9);               \
	VPDPBUSD.BCST (x)(DI), Z8, Z0;      \
	VPDPBUSD.BCST (x)(R8), Z8, Z2;      \
	VPDPBUSD.BCST (x+16)(DI), Z9, Z1;   \
	VPDPBUSD.BCST (x+16)(R8), Z9, Z3;   \
	PREFETCHT0    (w+AHEAD)(SI)

// SUM2 adds the products in a and b of a vector to y: its sums are at sum, its scales at d; Z28 are the weights' scales.
#define SUM2(k, sum, d, a, b, y) \
	VPADDD       b, a, a;            \
	VPBROADCASTD (4*k)(sum), b;      \
	VPSLLD       $3, b, b;           \
	VPSUBD       b, a, a;            \
	VCVTDQ2PS    a, a;               \
	VMULPS.BCST  (4*k)(d), Z28, b;   \
	VFMADD231PS  b, a, y

// BLOCK2 is BLOCK for two vectors.
#define BLOCK2(k, s, w) \
	VPXORQ    Z0, Z0, Z0;            \
	VPXORQ    Z1, Z1, Z1;            \
	VPXORQ    Z2, Z2, Z2;            \
	VPXORQ    Z3, Z3, Z3;            \
	LINE2(w+0, 32*k+0);              \
	LINE2(w+64, 32*k+4);             \
	LINE2(w+128, 32*k+8);            \
	LINE2(w+192, 32*k+12);           \
	VCVTPH2PS (s)(SI), Z28;          \
	SUM2(k, DX, R13, Z0, Z1, Z30);   \
	SUM2(k, R9, R10, Z2, Z3, Z29)

// func groupQ4PairAVX512(acc *[2][16]float32, group []byte, x *[2]vector)
TEXT ·groupQ4PairAVX512(SB), NOSPLIT, $0-40
	MOVQ         acc+0(FP), R12
	MOVQ         group_base+8(FP), SI
	MOVQ         x+32(FP), R11
	MOVQ         vector_q(R11), DI
	MOVQ         vector_d(R11), R13
	MOVQ         (vector_d+8)(R11), AX
	MOVQ         vector_sum(R11), DX
	MOVQ         (vector__size+vector_q)(R11), R8
	MOVQ         (vector__size+vector_d)(R11), R10
	MOVQ         (vector__size+vector_sum)(R11), R9
	VPBROADCASTQ nibble<>(SB), Z31
	VPXORQ       Z30, Z30, Z30
	VPXORQ       Z29, Z29, Z29
	SUBQ         $2, AX
	JLT          last

pair:
	PREFETCHT0 AHEAD(SI)
	BLOCK2(0, 0, 64)
	BLOCK2(1, 32, 320)
	ADDQ       $576, SI
	ADDQ       $64, DI
	ADDQ       $64, R8
	ADDQ       $8, R13
	ADDQ       $8, R10
	ADDQ       $8, DX
	ADDQ       $8, R9
	SUBQ       $2, AX
	JGE        pair

last:
	ADDQ $2, AX
	JZ   done
	BLOCK2(0, 0, 32)

done:
	VMOVUPS Z30, (R12)
	VMOVUPS Z29, 64(R12)
	VZEROUPPER
	RET
