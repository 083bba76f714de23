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

// merge: longs of the first and the third 128 bits in turn, then those of the second and the fourth.
DATA merge<>+0(SB)/8, $0x0000000800000000
DATA merge<>+8(SB)/8, $0x0000000900000001
DATA merge<>+16(SB)/8, $0x0000000a00000002
DATA merge<>+24(SB)/8, $0x0000000b00000003
DATA merge<>+32(SB)/8, $0x0000000c00000004
DATA merge<>+40(SB)/8, $0x0000000d00000005
DATA merge<>+48(SB)/8, $0x0000000e00000006
DATA merge<>+56(SB)/8, $0x0000000f00000007
GLOBL merge<>(SB), RODATA|NOPTR, $64

// WEIGHTS unpacks the two Q4_0 blocks at w(BX) to z, whose lower half is y.
#define WEIGHTS(w, y, z) \
	VMOVDQU   (w)(BX), y;   \
	VPERMQ    z, Z29, z;    \
	VPSRLVQ   Z28, z, z;    \
	VPANDQ    Z31, z, z

// PRODUCT leaves the products of the two blocks in w with the activations at x in z, in eight longs each.
#define PRODUCT(x, w, z) \
	VPXORQ   z, z, z;     \
	VPDPBUSD x, w, z

// PAIRS adds pairs of neighbouring longs of a and b: within 128 bits, a has two sums of its own, then two of b. t is scratch.
#define PAIRS(a, b, t) \
	VSHUFPS $0xdd, b, a, t; \
	VSHUFPS $0x88, b, a, a; \
	VPADDD  t, a, a

// VECTOR adds the products of the eight blocks in Z0-Z3 with vector v, whose quants are at x, to acc. Y15 are the weights'
// scales, Z27 is merge.
#define VECTOR(v, x, acc) \
	PRODUCT(0(x), Z0, Z4);                               \
	PRODUCT(64(x), Z1, Z5);                              \
	PRODUCT(128(x), Z2, Z6);                             \
	PRODUCT(192(x), Z3, Z7);                             \
	PAIRS(Z4, Z5, Z12);                                  \
	PAIRS(Z6, Z7, Z13);                                  \
	PAIRS(Z4, Z6, Z12);                                  \
	VPERMD        Z4, Z27, Z4;                           \
	VEXTRACTI64X4 $1, Z4, Y5;                            \
	VPADDD        Y5, Y4, Y4;                            \
	MOVQ          (v*vector__size+vector_sum)(R12), AX;  \
	VMOVDQU       (AX)(R13*4), Y5;                       \
	VPSLLD        $3, Y5, Y5;                            \
	VPSUBD        Y5, Y4, Y4;                            \
	VCVTDQ2PS     Y4, Y4;                                \
	MOVQ          (v*vector__size+vector_d)(R12), AX;    \
	VMULPS        (AX)(R13*4), Y15, Y5;                  \
	VFMADD231PS   Y5, Y4, acc

// HALVE adds the upper four floats of y to the lower, x; t is scratch.
#define HALVE(y, x, t) \
	VEXTRACTF128 $1, y, t; \
	VADDPS       t, x, x

// func dotQ4x4AVX512(dots *[4]float32, quants, scales []byte, x *[4]vector)
//
// A vector's result has the bits that dotQ4AVX2 gives it: the same sums in the same lanes. R8-R11 are the vectors' quants, R13
// counts blocks, of which there are a multiple of eight.
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
	VMOVDQU64    twice<>(SB), Z29
	VMOVDQU64    halves<>(SB), Z28
	VMOVDQU64    merge<>(SB), Z27
	VPXORQ       Z8, Z8, Z8
	VPXORQ       Z9, Z9, Z9
	VPXORQ       Z10, Z10, Z10
	VPXORQ       Z11, Z11, Z11
	TESTQ        DX, DX
	JZ           done

eight:
	WEIGHTS(0, Y0, Z0)
	WEIGHTS(32, Y1, Z1)
	WEIGHTS(64, Y2, Z2)
	WEIGHTS(96, Y3, Z3)
	VCVTPH2PS (CX), Y15
	VECTOR(0, R8, Y8)
	VECTOR(1, R9, Y9)
	VECTOR(2, R10, Y10)
	VECTOR(3, R11, Y11)
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
	HALVE(Y8, X8, X0)
	HALVE(Y9, X9, X0)
	HALVE(Y10, X10, X0)
	HALVE(Y11, X11, X0)
	VHADDPS X9, X8, X8
	VHADDPS X11, X10, X10
	VHADDPS X10, X8, X8
	VMOVUPS X8, (DI)
	VZEROUPPER
	RET

// func addTileAVX512(y []float32, stride, tokens int, s *batch)
//
// R8 is the token, whose rows and h are at BX and CX, and their number in DX.
TEXT ·addTileAVX512(SB), NOSPLIT, $0-48
	MOVQ y_base+0(FP), DI
	MOVQ stride+24(FP), R9
	MOVQ tokens+32(FP), R10
	MOVQ s+40(FP), R11
	SHLQ $2, R9
	LEAQ batch_tile(R11), SI
	LEAQ batch_rows(R11), R12
	LEAQ batch_h(R11), R13
	XORQ R8, R8

token:
	CMPQ    R8, R10
	JGE     done
	MOVQ    R12, BX
	MOVQ    R13, CX
	MOVQ    batch_count(R11)(R8*8), DX
	TESTQ   DX, DX
	JZ      next
	VMOVUPS 0(DI), Z0
	VMOVUPS 64(DI), Z1
	VMOVUPS 128(DI), Z2
	VMOVUPS 192(DI), Z3
	VMOVUPS 256(DI), Z4
	VMOVUPS 320(DI), Z5
	VMOVUPS 384(DI), Z6
	VMOVUPS 448(DI), Z7

row:
	MOVL         (BX), AX
	SHLQ         $9, AX
	VBROADCASTSS (CX), Z8
	VFMADD231PS  0(SI)(AX*1), Z8, Z0
	VFMADD231PS  64(SI)(AX*1), Z8, Z1
	VFMADD231PS  128(SI)(AX*1), Z8, Z2
	VFMADD231PS  192(SI)(AX*1), Z8, Z3
	VFMADD231PS  256(SI)(AX*1), Z8, Z4
	VFMADD231PS  320(SI)(AX*1), Z8, Z5
	VFMADD231PS  384(SI)(AX*1), Z8, Z6
	VFMADD231PS  448(SI)(AX*1), Z8, Z7
	ADDQ         $4, BX
	ADDQ         $4, CX
	DECQ         DX
	JNZ          row
	VMOVUPS      Z0, 0(DI)
	VMOVUPS      Z1, 64(DI)
	VMOVUPS      Z2, 128(DI)
	VMOVUPS      Z3, 192(DI)
	VMOVUPS      Z4, 256(DI)
	VMOVUPS      Z5, 320(DI)
	VMOVUPS      Z6, 384(DI)
	VMOVUPS      Z7, 448(DI)

next:
	ADDQ $(4*const_chunkRows), R12
	ADDQ $(4*const_chunkRows), R13
	ADDQ R9, DI
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
	DECODE(32, 4, 256)
	DECODE(48, 6, 384)
	ADDQ  $512, DI
	ADDQ  $4, SI
	DECQ  AX
	JNZ   row

done:
	VZEROUPPER
	RET
