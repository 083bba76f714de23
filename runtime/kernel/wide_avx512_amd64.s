//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"

// places: what lies at the places of a register (see wide.go); it is its own inverse.
DATA places<>+0(SB)/8, $0x0000000400000000
DATA places<>+8(SB)/8, $0x0000000c00000008
DATA places<>+16(SB)/8, $0x0000000500000001
DATA places<>+24(SB)/8, $0x0000000d00000009
DATA places<>+32(SB)/8, $0x0000000600000002
DATA places<>+40(SB)/8, $0x0000000e0000000a
DATA places<>+48(SB)/8, $0x0000000700000003
DATA places<>+56(SB)/8, $0x0000000f0000000b
GLOBL places<>(SB), RODATA|NOPTR, $64

// TRANSPOSE transposes the longs of a, b, c and d four by four in each lane: a has the first ones then. t, u and v are scratch.
#define TRANSPOSE(a, b, c, d, t, u, v) \
	VPUNPCKLDQ  b, a, t; \
	VPUNPCKHDQ  b, a, u; \
	VPUNPCKLDQ  d, c, v; \
	VPUNPCKHDQ  d, c, d; \
	VPUNPCKLQDQ v, t, a; \
	VPUNPCKHQDQ v, t, b; \
	VPUNPCKLQDQ d, u, c; \
	VPUNPCKHQDQ d, u, d

// HALVES parts the four blocks at x(SI): their first halves go to a, their second ones to b.
#define HALVES(x, a, b, t) \
	VMOVDQU64  (x)(SI), t;             \
	VSHUFI64X2 $0xdd, (x+64)(SI), t, b; \
	VSHUFI64X2 $0x88, (x+64)(SI), t, a

#define STORE4(x, a, b, c, d) \
	VMOVDQU64 a, (x)(DI);     \
	VMOVDQU64 b, (x+64)(DI);  \
	VMOVDQU64 c, (x+128)(DI); \
	VMOVDQU64 d, (x+192)(DI)

// func packLaneAVX512(to *byte, q *int8, d *float32, sum *int32, blocks int)
TEXT ·packLaneAVX512(SB), NOSPLIT, $0-40
	MOVQ      to+0(FP), DI
	MOVQ      q+8(FP), SI
	MOVQ      d+16(FP), BX
	MOVQ      sum+24(FP), CX
	MOVQ      blocks+32(FP), DX
	VMOVDQU64 places<>(SB), Z31
	VPXORQ    Z30, Z30, Z30
	SUBQ      $16, DX
	JLT       half

sixteen:
	HALVES(0, Z0, Z4, Z8)
	HALVES(128, Z1, Z5, Z8)
	HALVES(256, Z2, Z6, Z8)
	HALVES(384, Z3, Z7, Z8)
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
	VPSLLD    $3, Z10, Z10
	VPSUBD    Z10, Z30, Z10
	VMOVUPS   Z9, 512(DI)
	VMOVDQU64 Z10, 576(DI)
	ADDQ      $const_laneStep, DI
	SUBQ      $16, DX
	JGE       sixteen

half:
	// Eight blocks may be left: the others are zero.
	ADDQ      $16, DX
	JLE       done
	HALVES(0, Z0, Z4, Z8)
	HALVES(128, Z1, Z5, Z8)
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

// UNPACK16 leaves sixteen blocks of the row in eight registers, and stores their scales as step x of three. The flags are those of LOAD16.
#define UNPACK16(x, eight, loaded, a, b, c, d, e, f, g, h) \
	LOAD16(eight, loaded);              \
	TRANSPOSE(Z0, Z1, Z2, Z3, Z4, Z6, a); \
	NIBBLES(Z0, a, e);                  \
	NIBBLES(Z1, b, f);                  \
	NIBBLES(Z2, c, g);                  \
	NIBBLES(Z3, d, h);                  \
	VMOVDQU64 places<>(SB), Z4;         \
	VPERMPS   Z5, Z4, Z5;               \
	VMOVUPS   Z5, (64*x)(DI)

// DOT adds the products of step x of the lane at AX with the row's, in eight registers, to Z0. sum and t are scratch. It keeps the flags.
#define DOT(x, sum, t, a, b, c, d, e, f, g, h) \
	VMOVDQU64   (const_laneStep*x+576)(AX), sum;  \
	VPDPBUSD    (const_laneStep*x+0)(AX), a, sum;   \
	VPDPBUSD    (const_laneStep*x+64)(AX), b, sum;  \
	VPDPBUSD    (const_laneStep*x+128)(AX), c, sum; \
	VPDPBUSD    (const_laneStep*x+192)(AX), d, sum; \
	VPDPBUSD    (const_laneStep*x+256)(AX), e, sum; \
	VPDPBUSD    (const_laneStep*x+320)(AX), f, sum; \
	VPDPBUSD    (const_laneStep*x+384)(AX), g, sum; \
	VPDPBUSD    (const_laneStep*x+448)(AX), h, sum; \
	VMOVUPS     (const_laneStep*x+512)(AX), t;      \
	VMULPS      (64*x)(DI), t, t;        \
	VCVTDQ2PS   sum, sum;                \
	VFMADD231PS t, sum, Z0

#define FOLD(z, y, t) \
	VEXTRACTF64X4 $1, z, t; \
	VADDPS        t, y, y

// TOKEN leaves where the products of the next token of R12 are stored, or of AX if there is none, in r.
#define TOKEN(r) \
	TZCNTQ  R12, r;   \
	CMOVQCS AX, r;    \
	SHLQ    $8, r;    \
	ADDQ    R13, r;   \
	BLSRQ   R12, R12

// func dotsWideAVX512(dots *float32, quants, scales *byte, stride, rows int, masks *[64]uint64, lanes *byte, blocks int, scratch *byte, tokens uint64)
//
// Up to three times sixteen blocks of a row, 1536 numbers, are unpacked to Z8-Z31 and multiplied with one token after the other; then the next ones are.
// Z7 is the mask of low nibbles. Between the steps of a row stay:
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
TEXT ·dotsWideAVX512(SB), NOSPLIT, $8-80
	MOVQ         dots+0(FP), R13
	MOVQ         quants+8(FP), SI
	MOVQ         scales+16(FP), CX
	MOVQ         masks+40(FP), BX
	MOVQ         scratch+64(FP), DI
	VPBROADCASTQ nibble<>(SB), Z7
	MOVQ         blocks+56(FP), AX
	ADDQ         $15, AX
	SHRQ         $4, AX
	IMULQ        $const_laneStep, AX
	MOVQ         AX, lane-8(SP)

row:
	MOVQ (BX), R12
	ANDQ tokens+72(FP), R12
	JZ   next
	MOVQ blocks+56(FP), DX
	MOVQ SI, R8
	MOVQ CX, R9
	MOVQ lanes+48(FP), R11

steps:
	MOVQ stride+24(FP), AX
	MOVQ $1, R10
	UNPACK16(0, eight0, loaded0, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15)
	JLE  unpacked
	MOVQ $2, R10
	UNPACK16(1, eight1, loaded1, Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23)
	JLE  unpacked
	MOVQ $3, R10
	UNPACK16(2, eight2, loaded2, Z24, Z25, Z26, Z27, Z28, Z29, Z30, Z31)

unpacked:
	MOVQ (BX), R12
	ANDQ tokens+72(FP), R12
	LEAQ const_dotsSums(DI), R15

token:
	TZCNTQ R12, AX
	IMULQ  lane-8(SP), AX
	ADDQ   R11, AX
	VPXORQ Z0, Z0, Z0
	CMPQ   R11, lanes+48(FP)
	JEQ    first
	VMOVUPS (R15), Z0

first:
	DOT(0, Z1, Z2, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15)
	CMPQ R10, $2
	JLT  multiplied
	DOT(1, Z3, Z4, Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23)
	JEQ  multiplied
	DOT(2, Z5, Z6, Z24, Z25, Z26, Z27, Z28, Z29, Z30, Z31)

multiplied:
	VMOVUPS Z0, (R15)
	ADDQ    $64, R15
	BLSRQ   R12, R12
	JNZ     token
	ADDQ    $(3*const_laneStep), R11
	TESTQ   DX, DX
	JG      steps

	// The sums of four tokens at a time. Where there are fewer, those that nobody wants are stored first, where the first one's will be.
	MOVQ (BX), R12
	ANDQ tokens+72(FP), R12
	LEAQ const_dotsSums(DI), R15

four:
	VMOVUPS 0(R15), Z0
	VMOVUPS 64(R15), Z1
	VMOVUPS 128(R15), Z2
	VMOVUPS 192(R15), Z3
	FOLD(Z0, Y0, Y4)
	FOLD(Z1, Y1, Y5)
	FOLD(Z2, Y2, Y6)
	FOLD(Z3, Y3, Y4)
	VHADDPS      Y1, Y0, Y0
	VHADDPS      Y3, Y2, Y2
	VHADDPS      Y2, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VADDPS       X1, X0, X0
	TZCNTQ       R12, AX
	TOKEN(R8)
	TOKEN(R9)
	TOKEN(R10)
	TOKEN(R11)
	VEXTRACTPS   $3, X0, (R11)
	VEXTRACTPS   $2, X0, (R10)
	VEXTRACTPS   $1, X0, (R9)
	VMOVSS       X0, (R8)
	ADDQ         $256, R15
	TESTQ        R12, R12
	JNZ          four

next:
	ADDQ $8, BX
	ADDQ $4, R13
	ADDQ stride+24(FP), SI
	ADDQ stride+24(FP), CX
	DECQ rows+32(FP)
	JNZ  row
	VZEROUPPER
	RET

#define SCALE(i) \
	VMOVUPS (64*i)(DI), Z1;     \
	VMULPS  (64*i)(SI), Z1, Z1; \
	VMULPS  Z0, Z1, Z1;         \
	VMOVUPS Z1, (64*i)(DI)

// func scaleDotsAVX512(dots, gates *float32, weights []float32)
TEXT ·scaleDotsAVX512(SB), NOSPLIT, $0-40
	MOVQ dots+0(FP), DI
	MOVQ gates+8(FP), SI
	MOVQ weights_base+16(FP), BX
	MOVQ weights_len+24(FP), CX

token:
	VBROADCASTSS (BX), Z0
	SCALE(0)
	SCALE(1)
	SCALE(2)
	SCALE(3)
	ADDQ $4, BX
	ADDQ $256, DI
	ADDQ $256, SI
	DECQ CX
	JNZ  token
	VZEROUPPER
	RET

// func decodeScalesAVX512(dst *float32, scales *byte, stride int, used uint64, blocks int)
TEXT ·decodeScalesAVX512(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ scales+8(FP), SI
	MOVQ stride+16(FP), R8
	MOVQ used+24(FP), BX
	MOVQ blocks+32(FP), R9

row:
	TZCNTQ BX, AX
	BLSRQ  BX, BX
	MOVQ   AX, R10
	IMULQ  R8, AX
	ADDQ   SI, AX
	IMULQ  R9, R10
	LEAQ   (DI)(R10*4), R10
	MOVQ   R9, DX

eight:
	VCVTPH2PS (AX), Y0
	VMOVUPS   Y0, (R10)
	ADDQ      $16, AX
	ADDQ      $32, R10
	SUBQ      $8, DX
	JNZ       eight
	TESTQ     BX, BX
	JNZ       row
	VZEROUPPER
	RET

// table: the sixteen weights of Q4_0, q − 8.
DATA table<>+0(SB)/8, $0xc0e00000c1000000
DATA table<>+8(SB)/8, $0xc0a00000c0c00000
DATA table<>+16(SB)/8, $0xc0400000c0800000
DATA table<>+24(SB)/8, $0xbf800000c0000000
DATA table<>+32(SB)/8, $0x3f80000000000000
DATA table<>+40(SB)/8, $0x4040000040000000
DATA table<>+48(SB)/8, $0x40a0000040800000
DATA table<>+56(SB)/8, $0x40e0000040c00000
GLOBL table<>(SB), RODATA|NOPTR, $64

// lows: the shifts that leave the low nibble of byte 4·i+l of each lane l's longs i lowest; highs: the high ones.
DATA lows<>+0(SB)/8, $0x0000000000000000
DATA lows<>+8(SB)/8, $0x0000000000000000
DATA lows<>+16(SB)/8, $0x0000000800000008
DATA lows<>+24(SB)/8, $0x0000000800000008
DATA lows<>+32(SB)/8, $0x0000001000000010
DATA lows<>+40(SB)/8, $0x0000001000000010
DATA lows<>+48(SB)/8, $0x0000001800000018
DATA lows<>+56(SB)/8, $0x0000001800000018
GLOBL lows<>(SB), RODATA|NOPTR, $64
DATA highs<>+0(SB)/8, $0x0000000400000004
DATA highs<>+8(SB)/8, $0x0000000400000004
DATA highs<>+16(SB)/8, $0x0000000c0000000c
DATA highs<>+24(SB)/8, $0x0000000c0000000c
DATA highs<>+32(SB)/8, $0x0000001400000014
DATA highs<>+40(SB)/8, $0x0000001400000014
DATA highs<>+48(SB)/8, $0x0000001c0000001c
DATA highs<>+56(SB)/8, $0x0000001c0000001c
GLOBL highs<>(SB), RODATA|NOPTR, $64

// DECODE decodes block k at R8, whose scale is at R9, to R10: VPERMPS looks the lowest nibbles of longs up in the table, times the scale.
#define DECODE(k) \
	VBROADCASTI32X4 (16*k)(R8), Z0;     \
	VMULPS.BCST     (4*k)(R9), Z31, Z1; \
	VPSRLVD         Z30, Z0, Z2;        \
	VPSRLVD         Z29, Z0, Z3;        \
	VPERMPS         Z1, Z2, Z2;         \
	VPERMPS         Z1, Z3, Z3;         \
	VMOVUPS         Z2, (128*k)(R10);   \
	VMOVUPS         Z3, (128*k+64)(R10)

// func decodeTileWideAVX512(tile *float32, quants *byte, stride int, used uint64, scales *float32, scaleStride int)
TEXT ·decodeTileWideAVX512(SB), NOSPLIT, $0-48
	MOVQ      tile+0(FP), DI
	MOVQ      quants+8(FP), SI
	MOVQ      stride+16(FP), CX
	MOVQ      used+24(FP), BX
	MOVQ      scales+32(FP), DX
	MOVQ      scaleStride+40(FP), R11
	SHLQ      $2, R11
	VMOVUPS   table<>(SB), Z31
	VMOVDQU64 lows<>(SB), Z30
	VMOVDQU64 highs<>(SB), Z29

row:
	TZCNTQ BX, AX
	BLSRQ  BX, BX
	MOVQ   AX, R8
	MOVQ   AX, R9
	MOVQ   AX, R10
	IMULQ  CX, R8
	IMULQ  R11, R9
	SHLQ   $9, R10
	ADDQ   SI, R8
	ADDQ   DX, R9
	ADDQ   DI, R10
	DECODE(0)
	DECODE(1)
	DECODE(2)
	DECODE(3)
	TESTQ  BX, BX
	JNZ    row
	VZEROUPPER
	RET

// func addTileWideAVX512(y *float32, masks []uint64, factors, tile *float32, ahead *byte, lines int)
TEXT ·addTileWideAVX512(SB), NOSPLIT, $0-64
	MOVQ y+0(FP), DI
	MOVQ masks_base+8(FP), BX
	MOVQ masks_len+16(FP), CX
	MOVQ factors+32(FP), R8
	MOVQ tile+40(FP), SI
	MOVQ ahead+48(FP), R13
	MOVQ lines+56(FP), R12

token:
	MOVQ  (BX), R9
	TESTQ R9, R9
	JZ    next
	VMOVUPS 0(DI), Z0
	VMOVUPS 64(DI), Z1
	VMOVUPS 128(DI), Z2
	VMOVUPS 192(DI), Z3
	VMOVUPS 256(DI), Z4
	VMOVUPS 320(DI), Z5
	VMOVUPS 384(DI), Z6
	VMOVUPS 448(DI), Z7
	PREFETCHT0 1024(DI)
	PREFETCHT0 1088(DI)
	PREFETCHT0 1152(DI)
	PREFETCHT0 1216(DI)
	PREFETCHT0 1280(DI)
	PREFETCHT0 1344(DI)
	PREFETCHT0 1408(DI)
	PREFETCHT0 1472(DI)

row:
	TZCNTQ       R9, AX
	VBROADCASTSS (R8)(AX*4), Z8
	SHLQ         $9, AX
	ADDQ         SI, AX
	BLSRQ        R9, R9
	VFMADD231PS  0(AX), Z8, Z0
	VFMADD231PS  64(AX), Z8, Z1
	VFMADD231PS  128(AX), Z8, Z2
	VFMADD231PS  192(AX), Z8, Z3
	VFMADD231PS  256(AX), Z8, Z4
	VFMADD231PS  320(AX), Z8, Z5
	VFMADD231PS  384(AX), Z8, Z6
	VFMADD231PS  448(AX), Z8, Z7
	JNZ          row

	MOVQ  R12, DX
	TESTQ DX, DX
	JZ    store

ahead:
	PREFETCHT1 (R13)
	ADDQ       $64, R13
	DECQ       DX
	JNZ        ahead

store:
	VMOVUPS Z0, 0(DI)
	VMOVUPS Z1, 64(DI)
	VMOVUPS Z2, 128(DI)
	VMOVUPS Z3, 192(DI)
	VMOVUPS Z4, 256(DI)
	VMOVUPS Z5, 320(DI)
	VMOVUPS Z6, 384(DI)
	VMOVUPS Z7, 448(DI)

next:
	ADDQ $(4*const_wideCols), DI
	ADDQ $(4*const_chunkRows), R8
	ADDQ $8, BX
	DECQ CX
	JNZ  token
	VZEROUPPER
	RET

#define PUT(i) \
	VMOVUPS (64*i)(R8), Z0; \
	VPERMPS Z0, Z31, Z0;    \
	VMOVUPS Z0, (64*i)(DI)

// func outputWideAVX512(y, from *float32, tokens, tiles int)
TEXT ·outputWideAVX512(SB), NOSPLIT, $0-32
	MOVQ      y+0(FP), DI
	MOVQ      from+8(FP), SI
	MOVQ      tokens+16(FP), CX
	MOVQ      CX, R9
	SHLQ      $9, R9            // from one tile to the next
	VMOVDQU64 places<>(SB), Z31

token:
	MOVQ SI, R8
	MOVQ tiles+24(FP), DX

tile:
	PUT(0)
	PUT(1)
	PUT(2)
	PUT(3)
	PUT(4)
	PUT(5)
	PUT(6)
	PUT(7)
	ADDQ R9, R8
	ADDQ $512, DI
	DECQ DX
	JNZ  tile
	ADDQ $512, SI
	DECQ CX
	JNZ  token
	VZEROUPPER
	RET
