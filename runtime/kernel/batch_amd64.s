//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"

// halves: see row_amd64.s.
DATA halves<>+0(SB)/8, $0
DATA halves<>+8(SB)/8, $0
DATA halves<>+16(SB)/8, $4
DATA halves<>+24(SB)/8, $4
GLOBL halves<>(SB), RODATA|NOPTR, $32

// WEIGHTS unpacks the Q4_0 block at w(BX) to Y0.
#define WEIGHTS(w) \
	VBROADCASTI128 (w)(BX), Y0; \
	VPSRLVQ        Y13, Y0, Y0; \
	VPAND          Y15, Y0, Y0

// VECTOR adds the products of the block in Y0 with the activations at x, times the scale at s(SP), to acc; t and f are
// scratch.
#define VECTOR(x, s, acc, t, f) \
	VPMADDUBSW   x, Y0, t;     \
	VPMADDWD     Y14, t, t;    \
	VCVTDQ2PS    t, t;         \
	VBROADCASTSS (s)(SP), f;   \
	VFMADD231PS  f, t, acc

// BLOCK takes block k of eight.
#define BLOCK(k) \
	WEIGHTS(16*k);                             \
	VECTOR(32*k(R8), 4*k+0, Y8, Y1, Y5);       \
	VECTOR(32*k(R9), 4*k+32, Y9, Y2, Y6);      \
	VECTOR(32*k(R10), 4*k+64, Y10, Y3, Y7);    \
	VECTOR(32*k(R11), 4*k+96, Y11, Y4, Y12)

// SCALES8 stores the eight scales in Y0 times those of vector v at (SP) and takes the weights' offset off acc.
#define SCALES8(v, acc) \
	MOVQ         (v*vector__size+vector_d)(R12), AX;   \
	VMULPS       (AX)(R13*4), Y0, Y1;                  \
	VMOVUPS      Y1, (32*v)(SP);                       \
	MOVQ         (v*vector__size+vector_sum)(R12), AX; \
	VMOVDQU      (AX)(R13*4), Y2;                      \
	VPSLLD       $3, Y2, Y2;                           \
	VCVTDQ2PS    Y2, Y2;                               \
	VFNMADD231PS Y2, Y1, acc

// SCALE1 is SCALES8 for the scale in Y0, of one block. An eighth of the offset is taken off each lane.
#define SCALE1(v, acc) \
	MOVQ         (v*vector__size+vector_d)(R12), AX;   \
	VBROADCASTSS (AX)(R13*4), Y1;                      \
	VMULPS       Y1, Y0, Y1;                           \
	VMOVSS       X1, (32*v)(SP);                       \
	MOVQ         (v*vector__size+vector_sum)(R12), AX; \
	VPBROADCASTD (AX)(R13*4), Y2;                      \
	VCVTDQ2PS    Y2, Y2;                               \
	VFNMADD231PS Y2, Y1, acc

// func dotQ4x4AVX2(dots *[4]float32, quants, scales []byte, x *[4]vector)
//
// R8-R11 are the vectors' quants, R13 counts blocks.
TEXT ·dotQ4x4AVX2(SB), NOSPLIT, $128-64
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
	VPBROADCASTQ nibble<>(SB), Y15
	VPBROADCASTQ ones<>(SB), Y14
	VMOVDQU      halves<>(SB), Y13
	VPXOR        Y8, Y8, Y8
	VPXOR        Y9, Y9, Y9
	VPXOR        Y10, Y10, Y10
	VPXOR        Y11, Y11, Y11
	SUBQ         $8, DX
	JLT          rest

eight:
	VCVTPH2PS (CX), Y0
	SCALES8(0, Y8)
	SCALES8(1, Y9)
	SCALES8(2, Y10)
	SCALES8(3, Y11)
	BLOCK(0)
	BLOCK(1)
	BLOCK(2)
	BLOCK(3)
	BLOCK(4)
	BLOCK(5)
	BLOCK(6)
	BLOCK(7)
	ADDQ $128, BX
	ADDQ $16, CX
	ADDQ $256, R8
	ADDQ $256, R9
	ADDQ $256, R10
	ADDQ $256, R11
	ADDQ $8, R13
	SUBQ $8, DX
	JGE  eight

rest:
	ADDQ $8, DX
	JZ   done

one:
	VPBROADCASTW (CX), X0
	VCVTPH2PS    X0, Y0
	SCALE1(0, Y8)
	SCALE1(1, Y9)
	SCALE1(2, Y10)
	SCALE1(3, Y11)
	BLOCK(0)
	ADDQ $16, BX
	ADDQ $2, CX
	ADDQ $32, R8
	ADDQ $32, R9
	ADDQ $32, R10
	ADDQ $32, R11
	INCQ R13
	DECQ DX
	JNZ  one

done:
	VHADDPS      Y9, Y8, Y8
	VHADDPS      Y11, Y10, Y10
	VHADDPS      Y10, Y8, Y8
	VEXTRACTF128 $1, Y8, X0
	VADDPS       X0, X8, X8
	VMOVUPS      X8, (DI)
	VZEROUPPER
	RET

// func addTileAVX2(y []float32, stride, tokens int, s *batch)
//
// Half of the columns at a time. R8 is the token, whose rows and h are at BX and CX, and their number in DX.
TEXT ·addTileAVX2(SB), NOSPLIT, $0-48
	MOVQ stride+24(FP), R9
	MOVQ tokens+32(FP), R10
	MOVQ s+40(FP), R11
	SHLQ $2, R9
	LEAQ batch_tile(R11), SI
	XORQ R14, R14

half:
	MOVQ y_base+0(FP), DI
	ADDQ R14, DI
	LEAQ batch_rows(R11), R12
	LEAQ batch_h(R11), R13
	XORQ R8, R8

token:
	CMPQ    R8, R10
	JGE     end
	MOVQ    R12, BX
	MOVQ    R13, CX
	MOVQ    batch_count(R11)(R8*8), DX
	TESTQ   DX, DX
	JZ      next
	VMOVUPS 0(DI), Y0
	VMOVUPS 32(DI), Y1
	VMOVUPS 64(DI), Y2
	VMOVUPS 96(DI), Y3
	VMOVUPS 128(DI), Y4
	VMOVUPS 160(DI), Y5
	VMOVUPS 192(DI), Y6
	VMOVUPS 224(DI), Y7

row:
	MOVL         (BX), AX
	SHLQ         $9, AX
	VBROADCASTSS (CX), Y8
	VFMADD231PS  0(SI)(AX*1), Y8, Y0
	VFMADD231PS  32(SI)(AX*1), Y8, Y1
	VFMADD231PS  64(SI)(AX*1), Y8, Y2
	VFMADD231PS  96(SI)(AX*1), Y8, Y3
	VFMADD231PS  128(SI)(AX*1), Y8, Y4
	VFMADD231PS  160(SI)(AX*1), Y8, Y5
	VFMADD231PS  192(SI)(AX*1), Y8, Y6
	VFMADD231PS  224(SI)(AX*1), Y8, Y7
	ADDQ         $4, BX
	ADDQ         $4, CX
	DECQ         DX
	JNZ          row
	VMOVUPS      Y0, 0(DI)
	VMOVUPS      Y1, 32(DI)
	VMOVUPS      Y2, 64(DI)
	VMOVUPS      Y3, 96(DI)
	VMOVUPS      Y4, 128(DI)
	VMOVUPS      Y5, 160(DI)
	VMOVUPS      Y6, 192(DI)
	VMOVUPS      Y7, 224(DI)

next:
	ADDQ $(4*const_chunkRows), R12
	ADDQ $(4*const_chunkRows), R13
	ADDQ R9, DI
	INCQ R8
	JMP  token

end:
	ADDQ  $256, SI
	ADDQ  $256, R14
	CMPQ  R14, $512
	JLT   half
	VZEROUPPER
	RET

// eight: what the quants of Q4_0 are offset by.
DATA offset<>+0(SB)/4, $8
GLOBL offset<>(SB), RODATA|NOPTR, $4

// WIDEN stores the eight bytes of x, less 8 and times Y8, at y(DI).
#define WIDEN(x, y, t) \
	VPMOVZXBD x, t;         \
	VPSUBD    Y13, t, t;    \
	VCVTDQ2PS t, t;         \
	VMULPS    Y8, t, t;     \
	VMOVUPS   t, (y)(DI)

// DECODE decodes the block at w(R8), whose scale is at s(R9), to y(DI).
#define DECODE(w, s, y) \
	VPBROADCASTW (s)(R9), X8;  \
	VCVTPH2PS    X8, Y8;       \
	VMOVDQU      (w)(R8), X0;  \
	VPSRLW       $4, X0, X1;   \
	VPAND        X15, X0, X0;  \
	VPAND        X15, X1, X1;  \
	VPSRLDQ      $8, X0, X2;   \
	VPSRLDQ      $8, X1, X3;   \
	WIDEN(X0, y+0, Y4);        \
	WIDEN(X2, y+32, Y5);       \
	WIDEN(X1, y+64, Y6);       \
	WIDEN(X3, y+96, Y7)

// func decodeRowsQ4AVX2(dst []float32, quants, scales []byte, stride int, rows []int32)
TEXT ·decodeRowsQ4AVX2(SB), NOSPLIT, $0-104
	MOVQ         dst_base+0(FP), DI
	MOVQ         quants_base+24(FP), BX
	MOVQ         scales_base+48(FP), CX
	MOVQ         stride+72(FP), DX
	MOVQ         rows_base+80(FP), SI
	MOVQ         rows_len+88(FP), AX
	VPBROADCASTQ nibble<>(SB), Y15
	VPBROADCASTD offset<>(SB), Y13
	TESTQ        AX, AX
	JZ           done

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
