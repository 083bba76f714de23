//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"
#include "lanes_amd64.h"

// HALVES parts the four blocks at x(p): their first halves go to a, their second ones to b.
#define HALVES(x, p, a, b, t) \
	VMOVDQU64  (x)(p), t;              \
	VSHUFI64X2 $0xdd, (x+64)(p), t, b; \
	VSHUFI64X2 $0x88, (x+64)(p), t, a

// LOAD16 loads sixteen blocks of the row at R8, or the eight that are left, to Z0-Z3, and their scales at R9 to Z5. DX are the blocks that are left, AX is
// the stride: the next row is prefetched. It ends with the flags of what is left of DX.
#define LOAD16(eight, loaded) \
	VMOVDQU64  0(R8), Z0;         \
	VMOVDQU64  64(R8), Z1;        \
	PREFETCHT0 0(R8)(AX*1);       \
	PREFETCHT0 64(R8)(AX*1);      \
	CMPQ       DX, $16;           \
	JLT        eight;             \
	VMOVDQU64  128(R8), Z2;       \
	VMOVDQU64  192(R8), Z3;       \
	PREFETCHT0 128(R8)(AX*1);     \
	PREFETCHT0 192(R8)(AX*1);     \
	VCVTPH2PS  (R9), Z5;          \
	JMP        loaded;            \
eight:                            \
	VPXORQ     Z2, Z2, Z2;        \
	VPXORQ     Z3, Z3, Z3;        \
	VCVTPH2PS  (R9), Y5;          \
loaded:                           \
	ADDQ       $256, R8;          \
	ADDQ       $32, R9;           \
	SUBQ       $16, DX

// NIBBLES leaves the low nibbles of r in lo, and its high ones in hi.
#define NIBBLES(r, lo, hi) \
	VPSRLW $4, r, hi;  \
	VPANDQ Z7, r, lo;  \
	VPANDQ Z7, hi, hi

// SCALES16 stores the scales in Z5 as step x of three.
#define SCALES16(x) \
	VMOVDQU64 places16<>(SB), Z4; \
	VPERMPS   Z5, Z4, Z5;         \
	VMOVUPS   Z5, (64*x)(DI)

// UNPACK16Q4 leaves sixteen Q4_0 blocks of the row in eight registers, and stores their scales as step x of three. The flags are those of LOAD16.
#define UNPACK16Q4(x, eight, loaded, a, b, c, d, e, f, g, h) \
	LOAD16(eight, loaded);              \
	TRANSPOSE(Z0, Z1, Z2, Z3, Z4, Z6, a); \
	NIBBLES(Z0, a, e);                  \
	NIBBLES(Z1, b, f);                  \
	NIBBLES(Z2, c, g);                  \
	NIBBLES(Z3, d, h);                  \
	SCALES16(x)

#define FLIP4(a, b, c, d) \
	VPXORQ Z7, a, a; \
	VPXORQ Z7, b, b; \
	VPXORQ Z7, c, c; \
	VPXORQ Z7, d, d

// UNPACK16Q8 is UNPACK16Q4 for Q8_0 blocks, which get 128 more in each byte. Z7 is flip8.
#define UNPACK16Q8(x, eight, loaded, a, b, c, d, e, f, g, h) \
	HALVES(0, R8, a, e, Z0);       \
	HALVES(128, R8, b, f, Z0);     \
	PREFETCHT0 0(R8)(AX*1);        \
	PREFETCHT0 64(R8)(AX*1);       \
	PREFETCHT0 128(R8)(AX*1);      \
	PREFETCHT0 192(R8)(AX*1);      \
	CMPQ       DX, $16;            \
	JLT        eight;              \
	HALVES(256, R8, c, g, Z0);     \
	HALVES(384, R8, d, h, Z0);     \
	PREFETCHT0 256(R8)(AX*1);      \
	PREFETCHT0 320(R8)(AX*1);      \
	PREFETCHT0 384(R8)(AX*1);      \
	PREFETCHT0 448(R8)(AX*1);      \
	VCVTPH2PS  (R9), Z5;           \
	JMP        loaded;             \
eight:                             \
	VPXORQ     c, c, c;            \
	VPXORQ     d, d, d;            \
	VPXORQ     g, g, g;            \
	VPXORQ     h, h, h;            \
	VCVTPH2PS  (R9), Y5;           \
loaded:                            \
	TRANSPOSE(a, b, c, d, Z0, Z1, Z2); \
	TRANSPOSE(e, f, g, h, Z3, Z4, Z6); \
	FLIP4(a, b, c, d);             \
	FLIP4(e, f, g, h);             \
	SCALES16(x);                   \
	ADDQ       $512, R8;           \
	ADDQ       $32, R9;            \
	SUBQ       $16, DX

// DOT adds the products of step x of the lane at AX with the row's, in eight registers, to Z0. sum and t are scratch. It keeps the flags.
#define DOT(x, sum, t, a, b, c, d, e, f, g, h) \
	VMOVDQU64   (const_lane16*x+576)(AX), sum;  \
	VPDPBUSD    (const_lane16*x+0)(AX), a, sum;   \
	VPDPBUSD    (const_lane16*x+64)(AX), b, sum;  \
	VPDPBUSD    (const_lane16*x+128)(AX), c, sum; \
	VPDPBUSD    (const_lane16*x+192)(AX), d, sum; \
	VPDPBUSD    (const_lane16*x+256)(AX), e, sum; \
	VPDPBUSD    (const_lane16*x+320)(AX), f, sum; \
	VPDPBUSD    (const_lane16*x+384)(AX), g, sum; \
	VPDPBUSD    (const_lane16*x+448)(AX), h, sum; \
	VMOVUPS     (const_lane16*x+512)(AX), t;      \
	VMULPS      (64*x)(DI), t, t;        \
	VCVTDQ2PS   sum, sum;                \
	VFMADD231PS t, sum, Z0

#define FOLD(z, y, t) \
	VEXTRACTF64X4 $1, z, t; \
	VADDPS        t, y, y

// LANES16 is a function of dots *float32, quants, scales *byte, stride, rows int, masks *[64]uint64, lanes *byte, blocks int, scratch *byte, tokens uint64,
// with 8 bytes of stack: what a lane takes. mask is what UNPACK wants in Z7.
//
// Up to three times sixteen blocks of a row, 1536 numbers, are unpacked to Z8-Z31 and multiplied with one token after the other; then the next ones are.
// Between the steps of a row stay:
//
//	BX   the row's mask
//	SI   its quants, CX its scales; R8 and R9 where the next blocks of these begin
//	DX   the blocks that are left
//	R10  how many times sixteen blocks are unpacked
//	R11  the lane of token 0, at these
//	R12  the tokens that are left of those that the row is multiplied with
//	R13  where the row's product with token 0 is stored
//	DI   the scratch; R15 the sums of the present token there
//
// rows+32(FP) counts down.
#define LANES16(UNPACK, mask) \
	MOVQ         dots+0(FP), R13;                           \
	MOVQ         quants+8(FP), SI;                          \
	MOVQ         scales+16(FP), CX;                         \
	MOVQ         masks+40(FP), BX;                          \
	MOVQ         scratch+64(FP), DI;                        \
	VPBROADCASTQ mask<>(SB), Z7;                            \
	MOVQ         blocks+56(FP), AX;                         \
	ADDQ         $15, AX;                                   \
	SHRQ         $4, AX;                                    \
	IMULQ        $const_lane16, AX;                         \
	MOVQ         AX, lane-8(SP);                            \
row:                                                            \
	MOVQ (BX), R12;                                         \
	ANDQ tokens+72(FP), R12;                                \
	JZ   next;                                              \
	MOVQ blocks+56(FP), DX;                                 \
	MOVQ SI, R8;                                            \
	MOVQ CX, R9;                                            \
	MOVQ lanes+48(FP), R11;                                 \
steps:                                                          \
	MOVQ stride+24(FP), AX;                                 \
	MOVQ $1, R10;                                           \
	UNPACK(0, eight0, loaded0, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15); \
	JLE  unpacked;                                          \
	MOVQ $2, R10;                                           \
	UNPACK(1, eight1, loaded1, Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23); \
	JLE  unpacked;                                          \
	MOVQ $3, R10;                                           \
	UNPACK(2, eight2, loaded2, Z24, Z25, Z26, Z27, Z28, Z29, Z30, Z31); \
unpacked:                                                       \
	MOVQ (BX), R12;                                         \
	ANDQ tokens+72(FP), R12;                                \
	LEAQ const_dotsSums(DI), R15;                           \
token:                                                          \
	TZCNTQ R12, AX;                                         \
	IMULQ  lane-8(SP), AX;                                  \
	ADDQ   R11, AX;                                         \
	VPXORQ Z0, Z0, Z0;                                      \
	CMPQ   R11, lanes+48(FP);                               \
	JEQ    first;                                           \
	VMOVUPS (R15), Z0;                                      \
first:                                                          \
	DOT(0, Z1, Z2, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15);   \
	CMPQ R10, $2;                                           \
	JLT  multiplied;                                        \
	DOT(1, Z3, Z4, Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23); \
	JEQ  multiplied;                                        \
	DOT(2, Z5, Z6, Z24, Z25, Z26, Z27, Z28, Z29, Z30, Z31); \
multiplied:                                                     \
	VMOVUPS Z0, (R15);                                      \
	ADDQ    $64, R15;                                       \
	BLSRQ   R12, R12;                                       \
	JNZ     token;                                          \
	ADDQ    $(3*const_lane16), R11;                         \
	TESTQ   DX, DX;                                         \
	JG      steps;                                          \
	MOVQ (BX), R12;                                         \
	ANDQ tokens+72(FP), R12;                                \
	LEAQ const_dotsSums(DI), R15;                           \
four:                                                           \
	VMOVUPS 0(R15), Z0;                                     \
	VMOVUPS 64(R15), Z1;                                    \
	VMOVUPS 128(R15), Z2;                                   \
	VMOVUPS 192(R15), Z3;                                   \
	FOLD(Z0, Y0, Y4);                                       \
	FOLD(Z1, Y1, Y5);                                       \
	FOLD(Z2, Y2, Y6);                                       \
	FOLD(Z3, Y3, Y4);                                       \
	SUM4;                                                   \
	ADDQ  $256, R15;                                        \
	TESTQ R12, R12;                                         \
	JNZ   four;                                             \
next:                                                           \
	ADDQ $8, BX;                                            \
	ADDQ $4, R13;                                           \
	ADDQ stride+24(FP), SI;                                 \
	ADDQ stride+24(FP), CX;                                 \
	DECQ rows+32(FP);                                       \
	JNZ  row;                                               \
	VZEROUPPER;                                             \
	RET

// func dotsLanesAVX512(dots *float32, quants, scales *byte, stride, rows int, masks *[64]uint64, lanes *byte, blocks int, scratch *byte, tokens uint64)
TEXT ·dotsLanesAVX512(SB), NOSPLIT, $8-80
	LANES16(UNPACK16Q4, nibble)

// func dotsLanesQ8AVX512(dots *float32, quants, scales *byte, stride, rows int, masks *[64]uint64, lanes *byte, blocks int, scratch *byte, tokens uint64)
TEXT ·dotsLanesQ8AVX512(SB), NOSPLIT, $8-80
	LANES16(UNPACK16Q8, flip8)

#define STORE4(x, a, b, c, d) \
	VMOVDQU64 a, (x)(DI);     \
	VMOVDQU64 b, (x+64)(DI);  \
	VMOVDQU64 c, (x+128)(DI); \
	VMOVDQU64 d, (x+192)(DI)

// func packLaneAVX512(to *byte, q *int8, d *float32, sum *int32, blocks, offset int)
TEXT ·packLaneAVX512(SB), NOSPLIT, $0-48
	MOVQ      to+0(FP), DI
	MOVQ      q+8(FP), SI
	MOVQ      d+16(FP), BX
	MOVQ      sum+24(FP), CX
	MOVQ      blocks+32(FP), DX
	VMOVDQU64 places16<>(SB), Z31
	XORQ      AX, AX
	SUBQ      offset+40(FP), AX
	VPBROADCASTD AX, Z30
	SUBQ      $16, DX
	JLT       half

sixteen:
	HALVES(0, SI, Z0, Z4, Z8)
	HALVES(128, SI, Z1, Z5, Z8)
	HALVES(256, SI, Z2, Z6, Z8)
	HALVES(384, SI, Z3, Z7, Z8)
	VMOVUPS   (BX), Z9
	VMOVDQU64 (CX), Z10
	ADDQ      $512, SI
	ADDQ      $64, BX
	ADDQ      $64, CX

store:
	TRANSPOSE(Z0, Z1, Z2, Z3, Z11, Z12, Z13)
	TRANSPOSE(Z4, Z5, Z6, Z7, Z14, Z15, Z16)
	STORE4(0, Z0, Z1, Z2, Z3)
	STORE4(256, Z4, Z5, Z6, Z7)
	VPERMPS   Z9, Z31, Z9
	VPERMD    Z10, Z31, Z10
	VPMULLD   Z30, Z10, Z10
	VMOVUPS   Z9, 512(DI)
	VMOVDQU64 Z10, 576(DI)
	ADDQ      $const_lane16, DI
	SUBQ      $16, DX
	JGE       sixteen

half:
	// Eight blocks may be left: the others are zero.
	ADDQ      $16, DX
	JLE       done
	HALVES(0, SI, Z0, Z4, Z8)
	HALVES(128, SI, Z1, Z5, Z8)
	VPXORQ    Z2, Z2, Z2
	VPXORQ    Z3, Z3, Z3
	VPXORQ    Z6, Z6, Z6
	VPXORQ    Z7, Z7, Z7
	VMOVDQU64 (BX), Y9
	VMOVDQU64 (CX), Y10
	XORQ      DX, DX
	JMP       store

done:
	VZEROUPPER
	RET
