//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "lanes_amd64.h"

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

// DECODEQ4 decodes block k at R8, whose scale is at R9, to R10: VPERMPS looks the lowest nibbles of longs up in the table, times the scale.
#define DECODEQ4(k) \
	VBROADCASTI32X4 (16*k)(R8), Z0;     \
	VMULPS.BCST     (4*k)(R9), Z31, Z1; \
	VPSRLVD         Z30, Z0, Z2;        \
	VPSRLVD         Z29, Z0, Z3;        \
	VPERMPS         Z1, Z2, Z2;         \
	VPERMPS         Z1, Z3, Z3;         \
	VMOVUPS         Z2, (128*k)(R10);   \
	VMOVUPS         Z3, (128*k+64)(R10)

// TILE is a function of tile *float32, quants *byte, stride int, used uint64, scales *float32, scaleStride int, which decodes the four blocks of every row by
// DECODE.
#define TILE(DECODE) \
	MOVQ      tile+0(FP), DI;          \
	MOVQ      quants+8(FP), SI;        \
	MOVQ      stride+16(FP), CX;       \
	MOVQ      used+24(FP), BX;         \
	MOVQ      scales+32(FP), DX;       \
	MOVQ      scaleStride+40(FP), R11; \
	SHLQ      $2, R11;                 \
row:                                   \
	TZCNTQ BX, AX;                     \
	BLSRQ  BX, BX;                     \
	MOVQ   AX, R8;                     \
	MOVQ   AX, R9;                     \
	MOVQ   AX, R10;                    \
	IMULQ  CX, R8;                     \
	IMULQ  R11, R9;                    \
	SHLQ   $9, R10;                    \
	ADDQ   SI, R8;                     \
	ADDQ   DX, R9;                     \
	ADDQ   DI, R10;                    \
	DECODE(0);                         \
	DECODE(1);                         \
	DECODE(2);                         \
	DECODE(3);                         \
	TESTQ  BX, BX;                     \
	JNZ    row;                        \
	VZEROUPPER;                        \
	RET

// func decodeTileWideAVX512(tile *float32, quants *byte, stride int, used uint64, scales *float32, scaleStride int)
TEXT ·decodeTileWideAVX512(SB), NOSPLIT, $0-48
	VMOVUPS   table<>(SB), Z31
	VMOVDQU64 lows<>(SB), Z30
	VMOVDQU64 highs<>(SB), Z29
	TILE(DECODEQ4)

// bytes16: places16 of bytes.
DATA bytes16<>+0(SB)/8, $0x0d0905010c080400
DATA bytes16<>+8(SB)/8, $0x0f0b07030e0a0602
DATA bytes16<>+16(SB)/8, $0x0d0905010c080400
DATA bytes16<>+24(SB)/8, $0x0f0b07030e0a0602
GLOBL bytes16<>(SB), RODATA|NOPTR, $32

// DECODEQ8 is DECODEQ4 for a Q8_0 block. Y31 is bytes16.
#define DECODEQ8(k) \
	VMOVDQU64    (32*k)(R8), Y0;      \
	VPSHUFB      Y31, Y0, Y0;         \
	VPMOVSXBD    X0, Z1;              \
	VEXTRACTI128 $1, Y0, X0;          \
	VPMOVSXBD    X0, Z2;              \
	VBROADCASTSS (4*k)(R9), Z3;       \
	VCVTDQ2PS    Z1, Z1;              \
	VCVTDQ2PS    Z2, Z2;              \
	VMULPS       Z3, Z1, Z1;          \
	VMULPS       Z3, Z2, Z2;          \
	VMOVUPS      Z1, (128*k)(R10);    \
	VMOVUPS      Z2, (128*k+64)(R10)

// func decodeTileWideQ8AVX512(tile *float32, quants *byte, stride int, used uint64, scales *float32, scaleStride int)
TEXT ·decodeTileWideQ8AVX512(SB), NOSPLIT, $0-48
	VMOVDQU64 bytes16<>(SB), Y31
	TILE(DECODEQ8)

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
	VMOVDQU64 places16<>(SB), Z31

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
