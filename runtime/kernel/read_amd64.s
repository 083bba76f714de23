//go:build !noasm

#include "textflag.h"

// func readAVX2(b []byte) uint64
//
// R10 is weightsAhead further on than SI.
TEXT ·readAVX2(SB), NOSPLIT, $0-32
	MOVQ  b_base+0(FP), SI
	MOVQ  b_len+8(FP), AX
	MOVQ  ·weightsAhead(SB), R10
	ADDQ  SI, R10
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	SUBQ  $128, AX
	JLT   last

loop:
	PREFETCHT1 (R10)
	PREFETCHT1 64(R10)
	VPADDQ     0(SI), Y0, Y0
	VPADDQ     32(SI), Y1, Y1
	VPADDQ     64(SI), Y2, Y2
	VPADDQ     96(SI), Y3, Y3
	ADDQ       $128, SI
	ADDQ       $128, R10
	SUBQ       $128, AX
	JGE        loop

last:
	ADDQ   $64, AX
	JLT    sum
	VPADDQ 0(SI), Y0, Y0
	VPADDQ 32(SI), Y1, Y1

sum:
	VPADDQ       Y1, Y0, Y0
	VPADDQ       Y3, Y2, Y2
	VPADDQ       Y2, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPADDQ       X1, X0, X0
	VPSRLDQ      $8, X0, X1
	VPADDQ       X1, X0, X0
	VMOVQ        X0, ret+24(FP)
	VZEROUPPER
	RET
