#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"
#include "tiles_amd64.h"

// func pairsDotAVX2(y []float32, w []byte, x *activations, ahead int)
//
// The generic twin is pairsDot.
TEXT ·pairsDotAVX2(SB), NOSPLIT, $0-64
	MOVQ    y_base+0(FP), R8
	MOVQ    w_base+24(FP), SI
	MOVQ    x+48(FP), R11
	MOVQ    ahead+56(FP), R12
	MOVQ    activations_blocks(R11), AX
	MOVQ    activations_q(R11), DI
	MOVQ    activations_scale(R11), R13
	MOVQ    activations_off(R11), DX
	VMOVDQU nibble<>(SB), Y15
	VMOVDQU ones<>(SB), Y14
	VPXOR   Y12, Y12, Y12
	VPXOR   Y13, Y13, Y13
	SUBQ    $2, AX
	JLT     last

pair:
	PREFETCHT0 (SI)(R12*1)
	PREFETCHT0 64(SI)(R12*1)
	PREFETCHT0 128(SI)(R12*1)
	PREFETCHT0 192(SI)(R12*1)
	PREFETCHT0 256(SI)(R12*1)
	BLOCK(64, (SI), 16(SI), 0, 0)
	PREFETCHT0 320(SI)(R12*1)
	PREFETCHT0 384(SI)(R12*1)
	PREFETCHT0 448(SI)(R12*1)
	PREFETCHT0 512(SI)(R12*1)
	BLOCK(320, 32(SI), 48(SI), 32, 4)
	ADDQ $576, SI
	ADDQ $64, DI
	ADDQ $8, R13
	ADDQ $8, DX
	SUBQ $2, AX
	JGE  pair

last:
	ADDQ $2, AX
	JZ   done
	BLOCK(32, (SI), 16(SI), 0, 0)

done:
	VMOVUPS Y12, (R8)
	VMOVUPS Y13, 32(R8)
	VZEROUPPER
	RET
