#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"

// HALFLINE adds the products of half a line, 8 rows at w(SI), to the words
// of sum. Y8 and Y9 are the values that meet the low and the high nibbles.
#define HALFLINE(w, lo, hi, sum) \
	VMOVDQU    w(SI), lo;    \
	UNPACK(lo, hi);          \
	VPMADDUBSW Y8, lo, lo;   \
	VPMADDUBSW Y9, hi, hi;   \
	VPADDW     lo, sum, sum; \
	VPADDW     hi, sum, sum

#define LINE(g) \
	VPBROADCASTD (4*g)(DI), Y8;         \
	VPBROADCASTD (4*g+16)(DI), Y9;      \
	HALFLINE(64*g, Y0, Y1, Y10);        \
	HALFLINE(64*g+32, Y2, Y3, Y11)

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
	PREFETCHT0   (SI)(R12*1)
	PREFETCHT0   64(SI)(R12*1)
	PREFETCHT0   128(SI)(R12*1)
	PREFETCHT0   192(SI)(R12*1)
	PREFETCHT0   (CX)(BX*1)
	VPXOR        Y10, Y10, Y10
	VPXOR        Y11, Y11, Y11
	LINE(0)
	LINE(1)
	LINE(2)
	LINE(3)
	VPMADDWD     Y14, Y10, Y10
	VPMADDWD     Y14, Y11, Y11
	VPBROADCASTD (DX), Y0
	VPSUBD       Y0, Y10, Y10
	VPSUBD       Y0, Y11, Y11
	VCVTDQ2PS    Y10, Y10
	VCVTDQ2PS    Y11, Y11
	VBROADCASTSS (R13), Y1
	VCVTPH2PS    (CX), Y2
	VCVTPH2PS    16(CX), Y3
	VMULPS       Y1, Y2, Y2
	VMULPS       Y1, Y3, Y3
	VFMADD231PS  Y2, Y10, Y12
	VFMADD231PS  Y3, Y11, Y13
	ADDQ         R9, SI
	ADDQ         R10, CX
	ADDQ         $32, DI
	ADDQ         $4, R13
	ADDQ         $4, DX
	DECQ         AX
	JNZ          block

	VMOVUPS Y12, (R8)
	VMOVUPS Y13, 32(R8)
	VZEROUPPER
	RET
