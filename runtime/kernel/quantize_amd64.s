//go:build !noasm

#include "textflag.h"

DATA magnitude<>+0(SB)/4, $0x7fffffff
GLOBL magnitude<>(SB), RODATA|NOPTR, $4
DATA sign<>+0(SB)/4, $0x80000000
GLOBL sign<>(SB), RODATA|NOPTR, $4
DATA half<>+0(SB)/4, $0x3f000000
GLOBL half<>(SB), RODATA|NOPTR, $4
DATA top<>+0(SB)/4, $0x42fe0000    // 127
GLOBL top<>(SB), RODATA|NOPTR, $4
DATA bottom<>+0(SB)/4, $0xc2fe0000 // -127
GLOBL bottom<>(SB), RODATA|NOPTR, $4

// order: where the four bytes of each long lie after packing.
DATA order<>+0(SB)/8, $0x0000000400000000
DATA order<>+8(SB)/8, $0x0000000500000001
DATA order<>+16(SB)/8, $0x0000000600000002
DATA order<>+24(SB)/8, $0x0000000700000003
GLOBL order<>(SB), RODATA|NOPTR, $32

// ROUND makes integers of the activations in v: times Y5, within ±127, rounded half away from zero, NaN to 0. A sum with
// half of v's own sign is cut off.
#define ROUND(v, t) \
	VMULPS      Y5, v, v;     \
	VCMPPS      $7, v, v, t;  \
	VANDPS      t, v, v;      \
	VMAXPS      Y12, v, v;    \
	VMINPS      Y13, v, v;    \
	VANDPS      Y14, v, t;    \
	VORPS       Y11, t, t;    \
	VADDPS      t, v, v;      \
	VCVTTPS2DQ  v, v

// func quantizeAVX2(q []int8, d []float32, sum []int32, src []float32)
TEXT ·quantizeAVX2(SB), NOSPLIT, $0-96
	MOVQ         q_base+0(FP), DI
	MOVQ         d_base+24(FP), R13
	MOVQ         d_len+32(FP), AX
	MOVQ         sum_base+48(FP), DX
	MOVQ         src_base+72(FP), SI
	VBROADCASTSS magnitude<>(SB), Y15
	VBROADCASTSS sign<>(SB), Y14
	VBROADCASTSS top<>(SB), Y13
	VBROADCASTSS bottom<>(SB), Y12
	VBROADCASTSS half<>(SB), Y11
	VMOVDQU      order<>(SB), Y10
	TESTQ        AX, AX
	JZ           done

block:
	VMOVUPS 0(SI), Y0
	VMOVUPS 32(SI), Y1
	VMOVUPS 64(SI), Y2
	VMOVUPS 96(SI), Y3

	// The largest magnitude, in every lane of Y4. As integers magnitudes are in order, with NaN above all.
	VPAND        Y15, Y0, Y4
	VPAND        Y15, Y1, Y5
	VPAND        Y15, Y2, Y6
	VPAND        Y15, Y3, Y7
	VPMAXUD      Y5, Y4, Y4
	VPMAXUD      Y7, Y6, Y6
	VPMAXUD      Y6, Y4, Y4
	VPERM2I128   $0x01, Y4, Y4, Y5
	VPMAXUD      Y5, Y4, Y4
	VPSHUFD      $0x4e, Y4, Y5
	VPMAXUD      Y5, Y4, Y4
	VPSHUFD      $0xb1, Y4, Y5
	VPMAXUD      Y5, Y4, Y4

	// d = amax/127; Y5 = 127/amax, or 0 where amax is 0 or NaN.
	VDIVSS  X13, X4, X5
	VMOVSS  X5, (R13)
	VDIVPS  Y4, Y13, Y5
	VPXOR   Y6, Y6, Y6
	VCMPPS  $0x1e, Y6, Y4, Y6
	VANDPS  Y6, Y5, Y5

	ROUND(Y0, Y6)
	ROUND(Y1, Y7)
	ROUND(Y2, Y8)
	ROUND(Y3, Y9)
	VPADDD       Y1, Y0, Y4
	VPADDD       Y3, Y2, Y5
	VPADDD       Y5, Y4, Y4
	VEXTRACTI128 $1, Y4, X5
	VPADDD       X5, X4, X4
	VPHADDD      X4, X4, X4
	VPHADDD      X4, X4, X4
	VMOVD        X4, (DX)
	VPACKSSDW    Y1, Y0, Y0
	VPACKSSDW    Y3, Y2, Y2
	VPACKSSWB    Y2, Y0, Y0
	VPERMD       Y0, Y10, Y0
	VMOVDQU      Y0, (DI)
	ADDQ         $128, SI
	ADDQ         $32, DI
	ADDQ         $4, R13
	ADDQ         $4, DX
	DECQ         AX
	JNZ          block

done:
	VZEROUPPER
	RET
