//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"

// twice: the quadwords of two blocks' 32 bytes, each block's twice.
DATA twice<>+0(SB)/8, $0
DATA twice<>+8(SB)/8, $1
DATA twice<>+16(SB)/8, $0
DATA twice<>+24(SB)/8, $1
DATA twice<>+32(SB)/8, $2
DATA twice<>+40(SB)/8, $3
DATA twice<>+48(SB)/8, $2
DATA twice<>+56(SB)/8, $3
GLOBL twice<>(SB), RODATA|NOPTR, $64

// halves: what they are shifted by: low nibbles in the first 16 bytes of a block, high ones in the others.
DATA halves<>+0(SB)/8, $0
DATA halves<>+8(SB)/8, $0
DATA halves<>+16(SB)/8, $4
DATA halves<>+24(SB)/8, $4
DATA halves<>+32(SB)/8, $0
DATA halves<>+40(SB)/8, $0
DATA halves<>+48(SB)/8, $4
DATA halves<>+56(SB)/8, $4
GLOBL halves<>(SB), RODATA|NOPTR, $64

// pairs: for two of eight scales, the lanes that they belong to; add two for the next two.
DATA pairs<>+0(SB)/8, $0
DATA pairs<>+8(SB)/8, $0
DATA pairs<>+16(SB)/8, $0
DATA pairs<>+24(SB)/8, $0
DATA pairs<>+32(SB)/8, $0x0000000100000001
DATA pairs<>+40(SB)/8, $0x0000000100000001
DATA pairs<>+48(SB)/8, $0x0000000100000001
DATA pairs<>+56(SB)/8, $0x0000000100000001
GLOBL pairs<>(SB), RODATA|NOPTR, $64
DATA two<>+0(SB)/4, $2
GLOBL two<>(SB), RODATA|NOPTR, $4

// VECTOR adds the products of two blocks in Z0 with the activations at x, times two of the scales in s, to acc. Z27 tells
// which two.
#define VECTOR(x, s, acc, t, f) \
	VPXORQ      t, t, t;     \
	VPDPBUSD    x, Z0, t;    \
	VCVTDQ2PS   t, t;        \
	VPERMPS     s, Z27, f;   \
	VFMADD231PS f, t, acc

// BLOCKS takes blocks k and k+1 of eight.
#define BLOCKS(k, index) \
	VMOVDQU   (16*k)(BX), Y0;                  \
	VPERMQ    Z0, Z29, Z0;                     \
	VPSRLVQ   Z28, Z0, Z0;                     \
	VPANDQ    Z31, Z0, Z0;                     \
	VECTOR(32*k(R8), Z16, Z8, Z1, Z5);         \
	VECTOR(32*k(R9), Z17, Z9, Z2, Z6);         \
	VECTOR(32*k(R10), Z18, Z10, Z3, Z7);       \
	VECTOR(32*k(R11), Z19, Z11, Z4, Z12)

// SCALES leaves the eight scales in Y15 times those of vector v in y, and takes the weights' offset off acc.
#define SCALES(v, y, z, acc) \
	MOVQ         (v*vector__size+vector_d)(R12), AX;   \
	VMULPS       (AX)(R13*4), Y15, y;                  \
	MOVQ         (v*vector__size+vector_sum)(R12), AX; \
	VMOVDQU      (AX)(R13*4), Y14;                     \
	VPSLLD       $3, Y14, Y14;                         \
	VCVTDQ2PS    Y14, Y14;                             \
	VFNMADD231PS Z14, z, acc

// func dotQ4x4AVX512(dots *[4]float32, quants, scales []byte, x *[4]vector)
//
// R8-R11 are the vectors' quants, R13 counts blocks, of which there are a multiple of eight.
TEXT ·dotQ4x4AVX512(SB), NOSPLIT, $0-64
	MOVQ         dots+0(FP), DI
	MOVQ         quants_base+8(FP), BX
	MOVQ         scales_base+32(FP), CX
	MOVQ         x+56(FP), R12
	MOVQ         (0*vector__size+vector_q)(R12), R8
	MOVQ         (1*vector__size+vector_q)(R12), R9
	MOVQ         (2*vector__size+vector_q)(R12), R10
	MOVQ         (3*vector__size+vector_q)(R12), R11
	MOVQ         (vector_d+8)(R12), DX
	XORQ         R13, R13
	VPBROADCASTQ nibble<>(SB), Z31
	VPBROADCASTD two<>(SB), Z30
	VMOVDQU64    twice<>(SB), Z29
	VMOVDQU64    halves<>(SB), Z28
	VPXORQ       Z8, Z8, Z8
	VPXORQ       Z9, Z9, Z9
	VPXORQ       Z10, Z10, Z10
	VPXORQ       Z11, Z11, Z11
	TESTQ        DX, DX
	JZ           done

eight:
	VCVTPH2PS (CX), Y15
	SCALES(0, Y16, Z16, Z8)
	SCALES(1, Y17, Z17, Z9)
	SCALES(2, Y18, Z18, Z10)
	SCALES(3, Y19, Z19, Z11)
	VMOVDQU64 pairs<>(SB), Z27
	BLOCKS(0, 0)
	VPADDD    Z30, Z27, Z27
	BLOCKS(2, 2)
	VPADDD    Z30, Z27, Z27
	BLOCKS(4, 4)
	VPADDD    Z30, Z27, Z27
	BLOCKS(6, 6)
	ADDQ      $128, BX
	ADDQ      $16, CX
	ADDQ      $256, R8
	ADDQ      $256, R9
	ADDQ      $256, R10
	ADDQ      $256, R11
	ADDQ      $8, R13
	SUBQ      $8, DX
	JGT       eight

done:
	VEXTRACTF64X4 $1, Z8, Y0
	VEXTRACTF64X4 $1, Z9, Y1
	VEXTRACTF64X4 $1, Z10, Y2
	VEXTRACTF64X4 $1, Z11, Y3
	VADDPS        Y0, Y8, Y8
	VADDPS        Y1, Y9, Y9
	VADDPS        Y2, Y10, Y10
	VADDPS        Y3, Y11, Y11
	VHADDPS       Y9, Y8, Y8
	VHADDPS       Y11, Y10, Y10
	VHADDPS       Y10, Y8, Y8
	VEXTRACTF128  $1, Y8, X0
	VADDPS        X0, X8, X8
	VMOVUPS       X8, (DI)
	VZEROUPPER
	RET

// func addTileAVX512(y []float32, tokens int, s *batch)
//
// R8 is the token, whose factors are at BX, and end at DX.
TEXT ·addTileAVX512(SB), NOSPLIT, $0-40
	MOVQ y_base+0(FP), DI
	MOVQ tokens+24(FP), R10
	MOVQ s+32(FP), R11
	LEAQ batch_tile(R11), SI
	LEAQ batch_factors(R11), R12
	XORQ R8, R8

token:
	CMPQ       R8, R10
	JGE        done
	MOVLQSX    batch_start(R11)(R8*4), BX
	MOVLQSX    batch_end(R11)(R8*4), DX
	LEAQ       (R12)(BX*8), BX
	LEAQ       (R12)(DX*8), DX
	CMPQ       BX, DX
	JEQ        next
	VMOVUPS    0(DI), Z0
	VMOVUPS    64(DI), Z1
	VMOVUPS    128(DI), Z2
	VMOVUPS    192(DI), Z3
	PREFETCHT0 512(DI)
	PREFETCHT0 576(DI)
	PREFETCHT0 640(DI)
	PREFETCHT0 704(DI)

row:
	MOVLQSX      factor_at(BX), AX
	VBROADCASTSS factor_h(BX), Z8
	VFMADD231PS  0(SI)(AX*4), Z8, Z0
	VFMADD231PS  64(SI)(AX*4), Z8, Z1
	VFMADD231PS  128(SI)(AX*4), Z8, Z2
	VFMADD231PS  192(SI)(AX*4), Z8, Z3
	ADDQ         $factor__size, BX
	CMPQ         BX, DX
	JNE          row
	VMOVUPS      Z0, 0(DI)
	VMOVUPS      Z1, 64(DI)
	VMOVUPS      Z2, 128(DI)
	VMOVUPS      Z3, 192(DI)

next:
	ADDQ $(4*const_tileCols), DI
	INCQ R8
	JMP  token

done:
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

// DECODE decodes the block at w(R8), whose scale is at s(R9), to y(DI): VPERMPS looks the low nibbles of lanes up in the
// table Z31, times the scale.
#define DECODE(w, s, y) \
	VPBROADCASTW (s)(R9), X1;   \
	VCVTPH2PS    X1, X1;        \
	VBROADCASTSS X1, Z1;        \
	VMULPS       Z31, Z1, Z1;   \
	VPMOVZXBD    (w)(R8), Z2;   \
	VPSRLD       $4, Z2, Z3;    \
	VPERMPS      Z1, Z2, Z4;    \
	VPERMPS      Z1, Z3, Z5;    \
	VMOVUPS      Z4, (y)(DI);   \
	VMOVUPS      Z5, (y+64)(DI)

// func decodeRowsQ4AVX512(dst []float32, quants, scales []byte, stride int, rows []int32)
TEXT ·decodeRowsQ4AVX512(SB), NOSPLIT, $0-104
	MOVQ      dst_base+0(FP), DI
	MOVQ      quants_base+24(FP), BX
	MOVQ      scales_base+48(FP), CX
	MOVQ      stride+72(FP), DX
	MOVQ      rows_base+80(FP), SI
	MOVQ      rows_len+88(FP), AX
	VMOVUPS   table<>(SB), Z31
	TESTQ     AX, AX
	JZ        done

row:
	MOVL  (SI), R8
	IMULQ DX, R8
	LEAQ  (CX)(R8*1), R9
	ADDQ  BX, R8
	DECODE(0, 0, 0)
	DECODE(16, 2, 128)
	ADDQ  $256, DI
	ADDQ  $4, SI
	DECQ  AX
	JNZ   row

done:
	VZEROUPPER
	RET
