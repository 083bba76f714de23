//go:build !noasm

#include "textflag.h"

// func readAVX2(b []byte) uint64
TEXT ·readAVX2(SB), NOSPLIT, $0-32
	MOVQ  b_base+0(FP), SI
	MOVQ  b_len+8(FP), AX
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	SUBQ  $128, AX
	JLT   last

loop:
	PREFETCHT0 2048(SI)
	PREFETCHT0 2112(SI)
	VPADDQ     0(SI), Y0, Y0
	VPADDQ     32(SI), Y1, Y1
	VPADDQ     64(SI), Y2, Y2
	VPADDQ     96(SI), Y3, Y3
	ADDQ       $128, SI
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
