#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"
#include "tilesmul_amd64.h"

// func tilesMulAVX2(y []float32, yStride int, q, d []byte, qStep, dStep int, x *activations)
//
// The generic twin is tilesMul. The group is read twice, for vectors 0-3 and
// for 4-7.
TEXT ·tilesMulAVX2(SB), NOSPLIT, $0-104
	MOVQ    y_base+0(FP), R8
	MOVQ    yStride+24(FP), R9
	SHLQ    $2, R9
	MOVQ    x+96(FP), R11
	VMOVDQU nibble<>(SB), Y15
	XORQ    R12, R12                   // first vector

half:
	LEAQ (R8)(R9*2), R10
	MOVQ q_base+32(FP), SI
	MOVQ d_base+56(FP), CX
	MOVQ activations_blocks(R11), AX
	MOVQ activations_q(R11), DI
	MOVQ activations_scale(R11), R13
	MOVQ activations_off(R11), DX
	LEAQ (R13)(R12*4), R13
	LEAQ (DX)(R12*4), DX
	MOVQ R12, BX
	SHLQ $5, BX
	ADDQ BX, DI

block:
	BLOCK(0, (CX), 16(CX), 0, 0)
	ADDQ qStep+80(FP), SI
	ADDQ dStep+88(FP), CX
	ADDQ $256, DI
	ADDQ $32, R13
	ADDQ $32, DX
	DECQ AX
	JNZ block

	LEAQ (R8)(R9*4), R8
	ADDQ $4, R12
	CMPQ R12, $8
	JNE  half
	VZEROUPPER
	RET
