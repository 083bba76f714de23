//go:build !noasm

#include "textflag.h"

// lowest: −∞.
DATA lowest<>+0(SB)/4, $0xff800000
GLOBL lowest<>(SB), RODATA|NOPTR, $4

// func peaksAVX2(dst, x []float32)
//
// VMAXPS gives its second operand, in Intel's order the last, if one of the two is NaN: that is what was found so far.
TEXT ·peaksAVX2(SB), NOSPLIT, $0-48
	MOVQ         dst_base+0(FP), DI
	MOVQ         dst_len+8(FP), CX
	MOVQ         x_base+24(FP), SI
	VBROADCASTSS lowest<>(SB), Y15
	TESTQ        CX, CX
	JZ           done

run:
	VMOVUPS      0(SI), Y0
	VMOVUPS      32(SI), Y1
	VMOVUPS      64(SI), Y2
	VMOVUPS      96(SI), Y3
	VMAXPS       Y15, Y0, Y0
	VMAXPS       Y15, Y1, Y1
	VMAXPS       Y15, Y2, Y2
	VMAXPS       Y15, Y3, Y3
	VMOVUPS      128(SI), Y4
	VMOVUPS      160(SI), Y5
	VMOVUPS      192(SI), Y6
	VMOVUPS      224(SI), Y7
	VMAXPS       Y0, Y4, Y0
	VMAXPS       Y1, Y5, Y1
	VMAXPS       Y2, Y6, Y2
	VMAXPS       Y3, Y7, Y3
	VMAXPS       Y1, Y0, Y0
	VMAXPS       Y3, Y2, Y2
	VMAXPS       Y2, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VMAXPS       X1, X0, X0
	VPERMILPS    $0x4e, X0, X1
	VMAXPS       X1, X0, X0
	VPERMILPS    $0xb1, X0, X1
	VMAXPS       X1, X0, X0
	VMOVSS       X0, (DI)
	ADDQ         $256, SI
	ADDQ         $4, DI
	DECQ         CX
	JNZ          run

done:
	VZEROUPPER
	RET

// func maxAVX2(x []float32, m float32) float32
TEXT ·maxAVX2(SB), NOSPLIT, $0-36
	MOVQ         x_base+0(FP), SI
	MOVQ         x_len+8(FP), CX
	VBROADCASTSS m+24(FP), Y0

eight:
	VMOVUPS (SI), Y1
	VMAXPS  Y0, Y1, Y0
	ADDQ    $32, SI
	SUBQ    $8, CX
	JGT     eight

	VEXTRACTF128 $1, Y0, X1
	VMAXPS       X1, X0, X0
	VPERMILPS    $0x4e, X0, X1
	VMAXPS       X1, X0, X0
	VPERMILPS    $0xb1, X0, X1
	VMAXPS       X1, X0, X0
	VMOVSS       X0, ret+32(FP)
	VZEROUPPER
	RET

// func scaleAVX2(dst []float32, f float32, src []float32)
TEXT ·scaleAVX2(SB), NOSPLIT, $0-56
	MOVQ         dst_base+0(FP), DI
	MOVQ         dst_len+8(FP), CX
	VBROADCASTSS f+24(FP), Y0
	MOVQ         src_base+32(FP), SI

eight:
	VMULPS  (SI), Y0, Y1
	VMOVUPS Y1, (DI)
	ADDQ    $32, SI
	ADDQ    $32, DI
	SUBQ    $8, CX
	JGT     eight
	VZEROUPPER
	RET
