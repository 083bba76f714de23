//go:build !noasm

#include "textflag.h"

// func sumSquaresAVX2(x []float32) float64
TEXT ·sumSquaresAVX2(SB), NOSPLIT, $0-32
	MOVQ  x_base+0(FP), SI
	MOVQ  x_len+8(FP), AX
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	SUBQ  $16, AX
	JLT   rest

loop:
	VCVTPS2PD   0(SI), Y4
	VCVTPS2PD   16(SI), Y5
	VCVTPS2PD   32(SI), Y6
	VCVTPS2PD   48(SI), Y7
	VFMADD231PD Y4, Y4, Y0
	VFMADD231PD Y5, Y5, Y1
	VFMADD231PD Y6, Y6, Y2
	VFMADD231PD Y7, Y7, Y3
	ADDQ        $64, SI
	SUBQ        $16, AX
	JGE         loop

rest:
	VADDPD       Y1, Y0, Y0
	VADDPD       Y3, Y2, Y2
	VADDPD       Y2, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VADDPD       X1, X0, X0
	VHADDPD      X0, X0, X0
	ADDQ         $16, AX
	JZ           done

one:
	VMOVSS      (SI), X1
	VCVTSS2SD   X1, X1, X1
	VFMADD231SD X1, X1, X0
	ADDQ        $4, SI
	DECQ        AX
	JNZ         one

done:
	VMOVSD X0, ret+24(FP)
	VZEROUPPER
	RET

// func scaleMulAVX2(dst, x, weight []float32, scale float32)
TEXT ·scaleMulAVX2(SB), NOSPLIT, $0-76
	MOVQ         dst_base+0(FP), DI
	MOVQ         dst_len+8(FP), AX
	MOVQ         x_base+24(FP), SI
	MOVQ         weight_base+48(FP), BX
	VBROADCASTSS scale+72(FP), Y0
	SUBQ         $8, AX
	JLT          rest

loop:
	VMULPS  (SI), Y0, Y1
	VMULPS  (BX), Y1, Y1
	VMOVUPS Y1, (DI)
	ADDQ    $32, SI
	ADDQ    $32, BX
	ADDQ    $32, DI
	SUBQ    $8, AX
	JGE     loop

rest:
	ADDQ $8, AX
	JZ   done

one:
	VMULSS (SI), X0, X1
	VMULSS (BX), X1, X1
	VMOVSS X1, (DI)
	ADDQ   $4, SI
	ADDQ   $4, BX
	ADDQ   $4, DI
	DECQ   AX
	JNZ    one

done:
	VZEROUPPER
	RET

// func encodeF16AVX2(dst []byte, src []float32)
TEXT ·encodeF16AVX2(SB), NOSPLIT, $0-48
	MOVQ dst_base+0(FP), DI
	MOVQ src_base+24(FP), SI
	MOVQ src_len+32(FP), AX
	SUBQ $8, AX
	JLT  rest

eight:
	VMOVUPS   (SI), Y0
	VCVTPS2PH $0, Y0, (DI)
	ADDQ      $32, SI
	ADDQ      $16, DI
	SUBQ      $8, AX
	JGE       eight

rest:
	ADDQ $8, AX
	JZ   done

one:
	VMOVSS    (SI), X0
	VCVTPS2PH $0, X0, X0
	VPEXTRW   $0, X0, (DI)
	ADDQ      $4, SI
	ADDQ      $2, DI
	DECQ      AX
	JNZ       one

done:
	VZEROUPPER
	RET
