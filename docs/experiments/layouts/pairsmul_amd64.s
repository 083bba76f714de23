#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"
#include "tilesmul_amd64.h"

// func pairsMulAVX2(y []float32, yStride int, w []byte, x *activations)
//
// The generic twin is pairsMul. The group is read twice, for vectors 0-3 and
// for 4-7.
TEXT ·pairsMulAVX2(SB), NOSPLIT, $0-64
	MOVQ    y_base+0(FP), R8
	MOVQ    yStride+24(FP), R9
	SHLQ    $2, R9
	MOVQ    x+56(FP), R11
	VMOVDQU nibble<>(SB), Y15
	XORQ    R12, R12               // first vector

half:
	LEAQ (R8)(R9*2), R10
	MOVQ w_base+32(FP), SI
	MOVQ activations_blocks(R11), AX
	MOVQ activations_q(R11), DI
	MOVQ activations_scale(R11), R13
	MOVQ activations_off(R11), DX
	LEAQ (R13)(R12*4), R13
	LEAQ (DX)(R12*4), DX
	MOVQ R12, BX
	SHLQ $5, BX
	ADDQ BX, DI
	SUBQ $2, AX
	JLT  last

pair:
	BLOCK(64, (SI), 16(SI), 0, 0)
	BLOCK(320, 32(SI), 48(SI), 256, 32)
	ADDQ $576, SI
	ADDQ $512, DI
	ADDQ $64, R13
	ADDQ $64, DX
	SUBQ $2, AX
	JGE  pair

last:
	ADDQ $2, AX
	JZ   done
	BLOCK(32, (SI), 16(SI), 0, 0)

done:
	LEAQ (R8)(R9*4), R8
	ADDQ $4, R12
	CMPQ R12, $8
	JNE  half
	VZEROUPPER
	RET
