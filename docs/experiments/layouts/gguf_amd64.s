#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"
#include "axpy_amd64.h"

// LOADPAIR loads the nibbles of the two blocks at w(BX).
#define LOADPAIR(w, y, x) \
	VMOVDQU     (w+2)(BX), x; \
	VINSERTI128 $1, (w+20)(BX), y, y

// LOADSCALES loads the scales of the span at (BX) into y in pair order; t is
// scratch.
#define LOADSCALES(y, x, t) \
	VMOVD       0(BX), x;          \
	VMOVD       18(BX), t;         \
	VPINSRW     $1, 36(BX), x, x;  \
	VPINSRW     $1, 54(BX), t, t;  \
	VPINSRW     $2, 72(BX), x, x;  \
	VPINSRW     $2, 90(BX), t, t;  \
	VPINSRW     $3, 108(BX), x, x; \
	VPINSRW     $3, 126(BX), t, t; \
	VPUNPCKLQDQ t, x, x;           \
	VCVTPH2PS   x, y

#define PREFETCH \
	PREFETCHT0 (BX)(R12*1);   \
	PREFETCHT0 64(BX)(R12*1); \
	PREFETCHT0 128(BX)(R12*1)

// PAIR multiplies the pair of blocks at w(BX) by the values at x(DI), into lo.
#define PAIR(w, x, lo, lox, hi) \
	LOADPAIR(w, lo, lox);           \
	UNPACK(lo, hi);                 \
	VPMADDUBSW (x+0)(DI), lo, lo;   \
	VPMADDUBSW (x+32)(DI), hi, hi;  \
	VPADDW     hi, lo, lo

// func ggufDotAVX2(y []float32, w []byte, x *activations, ahead int)
//
// The generic twin is ggufDot.
TEXT ·ggufDotAVX2(SB), NOSPLIT, $0-64
	MOVQ    y_base+0(FP), R8
	MOVQ    y_len+8(FP), R9
	MOVQ    w_base+24(FP), BX
	MOVQ    x+48(FP), R11
	MOVQ    ahead+56(FP), R12
	VMOVDQU nibble<>(SB), Y15
	VMOVDQU ones<>(SB), Y14

row:
	MOVQ  activations_blocks(R11), AX
	MOVQ  activations_pairedQ(R11), DI
	MOVQ  activations_pairedScale(R11), R13
	MOVQ  activations_pairedOff(R11), DX
	VPXOR Y12, Y12, Y12

span:
	PREFETCH
	PAIR(0, 0, Y0, X0, Y1)
	PAIR(36, 64, Y2, X2, Y3)
	PAIR(72, 128, Y4, X4, Y5)
	PAIR(108, 192, Y6, X6, Y7)
	REDUCE(Y0, Y2, Y4, Y6)
	VPSUBD      (DX), Y0, Y0
	VCVTDQ2PS   Y0, Y0
	LOADSCALES(Y1, X1, X2)
	VMULPS      (R13), Y1, Y1
	VFMADD231PS Y0, Y1, Y12
	ADDQ        $144, BX
	ADDQ        $256, DI
	ADDQ        $32, R13
	ADDQ        $32, DX
	SUBQ        $8, AX
	JNZ         span

	HSUM(Y12, X12, X0)
	VMOVSS X12, (R8)
	ADDQ   $4, R8
	DECQ   R9
	JNZ    row
	VZEROUPPER
	RET

// func ggufAxpyAVX2(y []float32, w []byte, a float32, ahead int)
//
// The generic twin is ggufAxpy.
TEXT ·ggufAxpyAVX2(SB), NOSPLIT, $0-64
	MOVQ         y_base+0(FP), DI
	MOVQ         y_len+8(FP), AX
	MOVQ         w_base+24(FP), BX
	VBROADCASTSS a+48(FP), Y11
	MOVQ         ahead+56(FP), R12
	AXPYTABLES

span:
	PREFETCH
	LOADSCALES(Y8, X8, X9)
	VMULPS Y11, Y8, Y8
	LOADPAIR(0, Y0, X0)
	AXPYPAIR($0x00, 0)
	LOADPAIR(36, Y0, X0)
	AXPYPAIR($0x55, 256)
	LOADPAIR(72, Y0, X0)
	AXPYPAIR($0xaa, 512)
	LOADPAIR(108, Y0, X0)
	AXPYPAIR($0xff, 768)
	ADDQ   $144, BX
	ADDQ   $1024, DI
	SUBQ   $256, AX
	JNZ    span
	VZEROUPPER
	RET
