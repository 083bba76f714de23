//go:build !noasm

#include "textflag.h"
#include "avx2_amd64.h"

// func dotAVX2(a, b []float32) float32
TEXT ·dotAVX2(SB), NOSPLIT, $0-52
	MOVQ  a_base+0(FP), SI
	MOVQ  a_len+8(FP), AX
	MOVQ  b_base+24(FP), DI
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	SUBQ  $32, AX
	JLT   eights

loop:
	VMOVUPS     0(SI), Y4
	VMOVUPS     32(SI), Y5
	VMOVUPS     64(SI), Y6
	VMOVUPS     96(SI), Y7
	VFMADD231PS 0(DI), Y4, Y0
	VFMADD231PS 32(DI), Y5, Y1
	VFMADD231PS 64(DI), Y6, Y2
	VFMADD231PS 96(DI), Y7, Y3
	ADDQ        $128, SI
	ADDQ        $128, DI
	SUBQ        $32, AX
	JGE         loop

eights:
	ADDQ $24, AX
	JLT  sum

eight:
	VMOVUPS     (SI), Y4
	VFMADD231PS (DI), Y4, Y0
	ADDQ        $32, SI
	ADDQ        $32, DI
	SUBQ        $8, AX
	JGE         eight

sum:
	VADDPS Y1, Y0, Y0
	VADDPS Y3, Y2, Y2
	VADDPS Y2, Y0, Y0
	HSUM(Y0, X0, X1)
	ADDQ   $8, AX
	JZ     done

one:
	VMOVSS      (SI), X4
	VFMADD231SS (DI), X4, X0
	ADDQ        $4, SI
	ADDQ        $4, DI
	DECQ        AX
	JNZ         one

done:
	VMOVSS X0, ret+48(FP)
	VZEROUPPER
	RET

// func axpyAVX2(dst []float32, f float32, src []float32)
TEXT ·axpyAVX2(SB), NOSPLIT, $0-56
	MOVQ         dst_base+0(FP), DI
	MOVQ         dst_len+8(FP), AX
	VBROADCASTSS f+24(FP), Y8
	MOVQ         src_base+32(FP), SI
	SUBQ         $32, AX
	JLT          eights

loop:
	VMOVUPS     0(SI), Y0
	VMOVUPS     32(SI), Y1
	VMOVUPS     64(SI), Y2
	VMOVUPS     96(SI), Y3
	VFMADD213PS 0(DI), Y8, Y0
	VFMADD213PS 32(DI), Y8, Y1
	VFMADD213PS 64(DI), Y8, Y2
	VFMADD213PS 96(DI), Y8, Y3
	VMOVUPS     Y0, 0(DI)
	VMOVUPS     Y1, 32(DI)
	VMOVUPS     Y2, 64(DI)
	VMOVUPS     Y3, 96(DI)
	ADDQ        $128, SI
	ADDQ        $128, DI
	SUBQ        $32, AX
	JGE         loop

eights:
	ADDQ $24, AX
	JLT  rest

eight:
	VMOVUPS     (SI), Y0
	VFMADD213PS (DI), Y8, Y0
	VMOVUPS     Y0, (DI)
	ADDQ        $32, SI
	ADDQ        $32, DI
	SUBQ        $8, AX
	JGE         eight

rest:
	ADDQ $8, AX
	JZ   done

one:
	VMOVSS      (SI), X0
	VFMADD213SS (DI), X8, X0
	VMOVSS      X0, (DI)
	ADDQ        $4, SI
	ADDQ        $4, DI
	DECQ        AX
	JNZ         one

done:
	VZEROUPPER
	RET

// func axpy4AVX2(dst []float32, f *[4]float32, src *[4][]float32)
TEXT ·axpy4AVX2(SB), NOSPLIT, $0-40
	MOVQ         dst_base+0(FP), DI
	MOVQ         dst_len+8(FP), AX
	MOVQ         f+24(FP), BX
	VBROADCASTSS 0(BX), Y8
	VBROADCASTSS 4(BX), Y9
	VBROADCASTSS 8(BX), Y10
	VBROADCASTSS 12(BX), Y11
	MOVQ         src+32(FP), BX
	MOVQ         0(BX), R8          // a slice has 24 bytes
	MOVQ         24(BX), R9
	MOVQ         48(BX), R10
	MOVQ         72(BX), R11
	XORQ         CX, CX
	SUBQ         $16, AX
	JLT          rest

loop:
	VMOVUPS     0(DI)(CX*4), Y0
	VMOVUPS     32(DI)(CX*4), Y1
	VFMADD231PS 0(R8)(CX*4), Y8, Y0
	VFMADD231PS 32(R8)(CX*4), Y8, Y1
	VFMADD231PS 0(R9)(CX*4), Y9, Y0
	VFMADD231PS 32(R9)(CX*4), Y9, Y1
	VFMADD231PS 0(R10)(CX*4), Y10, Y0
	VFMADD231PS 32(R10)(CX*4), Y10, Y1
	VFMADD231PS 0(R11)(CX*4), Y11, Y0
	VFMADD231PS 32(R11)(CX*4), Y11, Y1
	VMOVUPS     Y0, 0(DI)(CX*4)
	VMOVUPS     Y1, 32(DI)(CX*4)
	ADDQ        $16, CX
	SUBQ        $16, AX
	JGE         loop

rest:
	ADDQ $16, AX
	JZ   done

one:
	VMOVSS      (DI)(CX*4), X0
	VFMADD231SS (R8)(CX*4), X8, X0
	VFMADD231SS (R9)(CX*4), X9, X0
	VFMADD231SS (R10)(CX*4), X10, X0
	VFMADD231SS (R11)(CX*4), X11, X0
	VMOVSS      X0, (DI)(CX*4)
	INCQ        CX
	DECQ        AX
	JNZ         one

done:
	VZEROUPPER
	RET

// func decodeF16AVX2(dst []float32, src []byte)
//
// 8 KiB ahead lies the next tile of keys or values with heads of 128 numbers; what lies there otherwise does no harm.
TEXT ·decodeF16AVX2(SB), NOSPLIT, $0-48
	MOVQ dst_base+0(FP), DI
	MOVQ dst_len+8(FP), AX
	MOVQ src_base+24(FP), SI
	SUBQ $32, AX
	JLT  eights

line:
	PREFETCHT0 8192(SI)
	VCVTPH2PS  0(SI), Y0
	VCVTPH2PS  16(SI), Y1
	VCVTPH2PS  32(SI), Y2
	VCVTPH2PS  48(SI), Y3
	VMOVUPS    Y0, 0(DI)
	VMOVUPS    Y1, 32(DI)
	VMOVUPS    Y2, 64(DI)
	VMOVUPS    Y3, 96(DI)
	ADDQ       $64, SI
	SUBQ       $-128, DI
	SUBQ       $32, AX
	JGE        line

eights:
	ADDQ $24, AX
	JLT  rest

eight:
	VCVTPH2PS (SI), Y0
	VMOVUPS   Y0, (DI)
	ADDQ      $16, SI
	ADDQ      $32, DI
	SUBQ      $8, AX
	JGE       eight

rest:
	ADDQ $8, AX
	JZ   done

one:
	VPBROADCASTW (SI), X0
	VCVTPH2PS    X0, X0
	VMOVSS       X0, (DI)
	ADDQ         $2, SI
	ADDQ         $4, DI
	DECQ         AX
	JNZ          one

done:
	VZEROUPPER
	RET

// func prefetchAVX2(b []byte)
TEXT ·prefetchAVX2(SB), NOSPLIT, $0-24
	MOVQ b_base+0(FP), SI
	MOVQ b_len+8(FP), AX

line:
	SUBQ       $64, AX
	PREFETCHT0 (SI)
	LEAQ       64(SI), SI
	JGT        line
	RET
