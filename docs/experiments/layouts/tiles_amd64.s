#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"
#include "tiles_amd64.h"

// func tilesDotAVX2(y []float32, q, d []byte, qStep, dStep int, x *activations, qAhead, dAhead int)
//
// The generic twin is tilesDot.
TEXT ·tilesDotAVX2(SB), NOSPLIT, $0-112
	MOVQ    y_base+0(FP), R8
	MOVQ    q_base+24(FP), SI
	MOVQ    d_base+48(FP), CX
	MOVQ    qStep+72(FP), R9
	MOVQ    dStep+80(FP), R10
	MOVQ    x+88(FP), R11
	MOVQ    qAhead+96(FP), R12
	MOVQ    dAhead+104(FP), BX
	MOVQ    activations_blocks(R11), AX
	MOVQ    activations_q(R11), DI
	MOVQ    activations_scale(R11), R13
	MOVQ    activations_off(R11), DX
	VMOVDQU nibble<>(SB), Y15
	VMOVDQU ones<>(SB), Y14
	VPXOR   Y12, Y12, Y12
	VPXOR   Y13, Y13, Y13

block:
	PREFETCHT0 (SI)(R12*1)
	PREFETCHT0 64(SI)(R12*1)
	PREFETCHT0 128(SI)(R12*1)
	PREFETCHT0 192(SI)(R12*1)
	PREFETCHT0 (CX)(BX*1)
	BLOCK(0, (CX), 16(CX), 0, 0)
	ADDQ R9, SI
	ADDQ R10, CX
	ADDQ $32, DI
	ADDQ $4, R13
	ADDQ $4, DX
	DECQ AX
	JNZ block

	VMOVUPS Y12, (R8)
	VMOVUPS Y13, 32(R8)
	VZEROUPPER
	RET
