//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"

// halves: what the quadwords of a block's 16 bytes, laid twice in a register, are shifted by to have the low nibbles of all
// in the lower half, the high ones in the upper half.
DATA halves<>+0(SB)/8, $0
DATA halves<>+8(SB)/8, $0
DATA halves<>+16(SB)/8, $4
DATA halves<>+24(SB)/8, $4
GLOBL halves<>(SB), RODATA|NOPTR, $32

// PRODUCT4 leaves the products of a Q4_0 block at w(BX) with the activations at x(DI) in y, in eight longs. Y15 is nibble,
// Y14 ones, Y13 halves.
#define PRODUCT4(w, x, y) \
	VBROADCASTI128 (w)(BX), y;    \
	VPSRLVQ        Y13, y, y;     \
	VPAND          Y15, y, y;     \
	VPMADDUBSW     (x)(DI), y, y; \
	VPMADDWD       Y14, y, y

// PRODUCT8 is PRODUCT4 for a Q8_0 block; see group_amd64.s. Y15 is scratch.
#define PRODUCT8(w, x, y) \
	VMOVDQU    (w)(BX), y;      \
	VMOVDQU    (x)(DI), Y15;    \
	VPSIGNB    y, Y15, Y15;     \
	VPABSB     y, y;            \
	VPMADDUBSW Y15, y, y;       \
	VPMADDWD   Y14, y, y

// BRING leaves the sums of blocks 0-7 in Y0, from those of blocks 0-3 in the halves of Y0, and of 4-7 in those of Y4.
#define BRING \
	VPERM2I128 $0x20, Y4, Y0, Y1; \
	VPERM2I128 $0x31, Y4, Y0, Y0; \
	VPADDD     Y1, Y0, Y0

// HSUMD adds up the eight longs of Y0 into the lowest.
#define HSUMD \
	VEXTRACTI128 $1, Y0, X1; \
	VPADDD       X1, X0, X0; \
	VPHADDD      X0, X0, X0; \
	VPHADDD      X0, X0, X0

// ADD8 adds the sums of eight blocks in Y0, times both scales, to Y12.
#define ADD8 \
	VCVTDQ2PS   Y0, Y0;       \
	VCVTPH2PS   (CX), Y1;     \
	VMULPS      (R13), Y1, Y1; \
	VFMADD231PS Y1, Y0, Y12

// ADD1 adds the sum of one block in X0, times both scales, to Y12.
#define ADD1 \
	VCVTDQ2PS    X0, X0;        \
	VPBROADCASTW (CX), X1;      \
	VCVTPH2PS    X1, X1;        \
	VMULSS       (R13), X1, X1; \
	VMULSS       X1, X0, X0;    \
	VINSERTPS    $0x0e, X0, X0, X0; \
	VADDPS       Y0, Y12, Y12

#define LOADROW \
	MOVQ  quants_base+0(FP), BX;   \
	MOVQ  scales_base+24(FP), CX;  \
	MOVQ  x+48(FP), R11;           \
	MOVQ  vector_q(R11), DI;       \
	MOVQ  vector_d(R11), R13;      \
	MOVQ  (vector_d+8)(R11), AX;   \
	VPBROADCASTQ ones<>(SB), Y14;  \
	VPXOR Y12, Y12, Y12

// func dotQ4AVX2(quants, scales []byte, x *vector, ahead *byte) float32
//
// While it computes, it prefetches what lies at ahead: 128 bytes for every eight blocks.
TEXT ·dotQ4AVX2(SB), NOSPLIT, $0-68
	LOADROW
	MOVQ         vector_sum(R11), DX
	MOVQ         ahead+56(FP), SI
	VPBROADCASTQ nibble<>(SB), Y15
	VMOVDQU      halves<>(SB), Y13
	SUBQ         $8, AX
	JLT          rest

eight:
	PREFETCHT0 (SI)
	PREFETCHT0 64(SI)
	ADDQ       $128, SI
	PRODUCT4(0, 0, Y0)
	PRODUCT4(16, 32, Y1)
	PRODUCT4(32, 64, Y2)
	PRODUCT4(48, 96, Y3)
	PRODUCT4(64, 128, Y4)
	PRODUCT4(80, 160, Y5)
	PRODUCT4(96, 192, Y6)
	PRODUCT4(112, 224, Y7)

	// Sums of up to 8 products of 15·127 fit a word.
	VPACKSSDW Y1, Y0, Y0
	VPACKSSDW Y3, Y2, Y2
	VPACKSSDW Y5, Y4, Y4
	VPACKSSDW Y7, Y6, Y6
	VPMADDWD  Y14, Y0, Y0
	VPMADDWD  Y14, Y2, Y2
	VPMADDWD  Y14, Y4, Y4
	VPMADDWD  Y14, Y6, Y6
	VPACKSSDW Y2, Y0, Y0
	VPACKSSDW Y6, Y4, Y4
	VPMADDWD  Y14, Y0, Y0
	VPMADDWD  Y14, Y4, Y4
	BRING
	VMOVDQU   (DX), Y1
	VPSLLD    $3, Y1, Y1
	VPSUBD    Y1, Y0, Y0
	ADD8
	ADDQ      $128, BX
	ADDQ      $16, CX
	ADDQ      $256, DI
	ADDQ      $32, R13
	ADDQ      $32, DX
	SUBQ      $8, AX
	JGE       eight

rest:
	ADDQ $8, AX
	JZ   done

one:
	PRODUCT4(0, 0, Y0)
	HSUMD
	VMOVD  (DX), X1
	VPSLLD $3, X1, X1
	VPSUBD X1, X0, X0
	ADD1
	ADDQ   $16, BX
	ADDQ   $2, CX
	ADDQ   $32, DI
	ADDQ   $4, R13
	ADDQ   $4, DX
	DECQ   AX
	JNZ    one

done:
	HSUM(Y12, X12, X0)
	VMOVSS X12, ret+64(FP)
	VZEROUPPER
	RET

// func dotQ8AVX2(quants, scales []byte, x *vector) float32
TEXT ·dotQ8AVX2(SB), NOSPLIT, $0-60
	LOADROW
	SUBQ $8, AX
	JLT  rest

eight:
	PRODUCT8(0, 0, Y0)
	PRODUCT8(32, 32, Y1)
	PRODUCT8(64, 64, Y2)
	PRODUCT8(96, 96, Y3)
	PRODUCT8(128, 128, Y4)
	PRODUCT8(160, 160, Y5)
	PRODUCT8(192, 192, Y6)
	PRODUCT8(224, 224, Y7)
	VPHADDD Y1, Y0, Y0
	VPHADDD Y3, Y2, Y2
	VPHADDD Y5, Y4, Y4
	VPHADDD Y7, Y6, Y6
	VPHADDD Y2, Y0, Y0
	VPHADDD Y6, Y4, Y4
	BRING
	ADD8
	ADDQ    $256, BX
	ADDQ    $16, CX
	ADDQ    $256, DI
	ADDQ    $32, R13
	SUBQ    $8, AX
	JGE     eight

rest:
	ADDQ $8, AX
	JZ   done

one:
	PRODUCT8(0, 0, Y0)
	HSUMD
	ADD1
	ADDQ $32, BX
	ADDQ $2, CX
	ADDQ $32, DI
	ADDQ $4, R13
	DECQ AX
	JNZ  one

done:
	HSUM(Y12, X12, X0)
	VMOVSS X12, ret+56(FP)
	VZEROUPPER
	RET
