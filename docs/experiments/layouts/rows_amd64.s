#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"
#include "axpy_amd64.h"

// LOADSCALES loads the scales of the span at (CX) into y in pair order. The
// register order holds order.
#define LOADSCALES(y, x, order) \
	VMOVDQU   (CX), x;     \
	VPSHUFB   order, x, x; \
	VCVTPH2PS x, y

#define PREFETCH \
	PREFETCHT0 (BX)(R12*1);   \
	PREFETCHT0 64(BX)(R12*1); \
	PREFETCHT0 (CX)(R12*1)

// PAIR multiplies the pair of blocks at w(BX) by the values at x(DI), into lo.
#define PAIR(w, x, lo, hi) \
	VMOVDQU    w(BX), lo;          \
	UNPACK(lo, hi);                \
	VPMADDUBSW (x+0)(DI), lo, lo;  \
	VPMADDUBSW (x+32)(DI), hi, hi; \
	VPADDW     hi, lo, lo

// func rowsDotAVX2(y []float32, q, d []byte, stride int, x *activations, ahead int)
//
// The generic twin is rowsDot.
TEXT ·rowsDotAVX2(SB), NOSPLIT, $0-96
	MOVQ    y_base+0(FP), R8
	MOVQ    y_len+8(FP), R9
	MOVQ    q_base+24(FP), SI
	MOVQ    d_base+48(FP), DX
	MOVQ    stride+72(FP), R10
	MOVQ    x+80(FP), R11
	MOVQ    ahead+88(FP), R12
	VMOVDQU nibble<>(SB), Y15
	VMOVDQU ones<>(SB), Y14
	VMOVDQU order<>(SB), X13

row:
	MOVQ  SI, BX
	MOVQ  DX, CX
	MOVQ  activations_blocks(R11), AX
	MOVQ  activations_pairedQ(R11), DI
	MOVQ  activations_pairedScale(R11), R13
	MOVQ  activations_pairedOff(R11), R15
	VPXOR Y12, Y12, Y12

span:
	PREFETCH
	PAIR(0, 0, Y0, Y1)
	PAIR(32, 64, Y2, Y3)
	PAIR(64, 128, Y4, Y5)
	PAIR(96, 192, Y6, Y7)
	REDUCE(Y0, Y2, Y4, Y6)
	VPSUBD      (R15), Y0, Y0
	VCVTDQ2PS   Y0, Y0
	LOADSCALES(Y1, X1, X13)
	VMULPS      (R13), Y1, Y1
	VFMADD231PS Y0, Y1, Y12
	ADDQ        $128, BX
	ADDQ        $16, CX
	ADDQ        $256, DI
	ADDQ        $32, R13
	ADDQ        $32, R15
	SUBQ        $8, AX
	JNZ         span

	HSUM(Y12, X12, X0)
	VMOVSS X12, (R8)
	ADDQ   $4, R8
	ADDQ   R10, SI
	ADDQ   R10, DX
	DECQ   R9
	JNZ    row
	VZEROUPPER
	RET

// func rowsAxpyAVX2(y []float32, q, d []byte, a float32, ahead int)
//
// The generic twin is rowsAxpy.
TEXT ·rowsAxpyAVX2(SB), NOSPLIT, $0-88
	MOVQ         y_base+0(FP), DI
	MOVQ         y_len+8(FP), AX
	MOVQ         q_base+24(FP), BX
	MOVQ         d_base+48(FP), CX
	VBROADCASTSS a+72(FP), Y11
	MOVQ         ahead+80(FP), R12
	AXPYTABLES
	VMOVDQU      order<>(SB), X10

span:
	PREFETCH
	LOADSCALES(Y8, X8, X10)
	VMULPS  Y11, Y8, Y8
	VMOVDQU 0(BX), Y0
	AXPYPAIR($0x00, 0)
	VMOVDQU 32(BX), Y0
	AXPYPAIR($0x55, 256)
	VMOVDQU 64(BX), Y0
	AXPYPAIR($0xaa, 512)
	VMOVDQU 96(BX), Y0
	AXPYPAIR($0xff, 768)
	ADDQ    $128, BX
	ADDQ    $16, CX
	ADDQ    $1024, DI
	SUBQ    $256, AX
	JNZ     span
	VZEROUPPER
	RET
