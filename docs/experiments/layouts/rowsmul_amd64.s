#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"

// PAIR multiplies an unpacked pair of blocks by the values at x(DI), into
// out; Y13 is scratch.
#define PAIR(lo, hi, x, out) \
	VPMADDUBSW (x+0)(DI), lo, out;  \
	VPMADDUBSW (x+32)(DI), hi, Y13; \
	VPADDW     Y13, out, out

// func rowsMulAVX2(y []float32, q, d []byte, stride int, x *activations)
//
// The generic twin is rowsMul. A row's span is unpacked into Y0-Y7 and then
// multiplied by each of the 8 vectors, whose sums lie on the stack.
TEXT ·rowsMulAVX2(SB), NOSPLIT, $320-88
	MOVQ    y_base+0(FP), R8
	MOVQ    y_len+8(FP), R9
	SHRQ    $3, R9                           // rows
	MOVQ    R9, R12                          // rows left
	MOVQ    q_base+24(FP), SI
	MOVQ    d_base+48(FP), DX
	MOVQ    x+80(FP), R11
	VMOVDQU ones<>(SB), Y14
	LEAQ    sums-257(SP), R10
	ANDQ    $~63, R10

row:
	MOVQ    SI, BX
	MOVQ    DX, CX
	MOVQ    activations_blocks(R11), AX
	MOVQ    activations_pairedQ(R11), DI
	MOVQ    activations_pairedScale(R11), R13
	MOVQ    activations_pairedOff(R11), R15
	VPXOR   Y0, Y0, Y0
	VMOVUPS Y0, 0(R10)
	VMOVUPS Y0, 32(R10)
	VMOVUPS Y0, 64(R10)
	VMOVUPS Y0, 96(R10)
	VMOVUPS Y0, 128(R10)
	VMOVUPS Y0, 160(R10)
	VMOVUPS Y0, 192(R10)
	VMOVUPS Y0, 224(R10)

span:
	VMOVDQU   nibble<>(SB), Y15
	VMOVDQU   0(BX), Y0
	VMOVDQU   32(BX), Y2
	VMOVDQU   64(BX), Y4
	VMOVDQU   96(BX), Y6
	UNPACK(Y0, Y1)
	UNPACK(Y2, Y3)
	UNPACK(Y4, Y5)
	UNPACK(Y6, Y7)
	VMOVDQU   (CX), X8
	VPSHUFB   order<>(SB), X8, X8
	VCVTPH2PS X8, Y8
	XORQ      R9, R9

vector:
	PAIR(Y0, Y1, 0, Y9)
	PAIR(Y2, Y3, 64, Y10)
	PAIR(Y4, Y5, 128, Y11)
	PAIR(Y6, Y7, 192, Y12)
	REDUCE(Y9, Y10, Y11, Y12)
	VPSUBD      (R15)(R9*1), Y9, Y9
	VCVTDQ2PS   Y9, Y9
	VMULPS      (R13)(R9*1), Y9, Y9
	VFMADD213PS (R10)(R9*1), Y8, Y9
	VMOVUPS     Y9, (R10)(R9*1)
	ADDQ        $256, DI
	ADDQ        $32, R9
	CMPQ        R9, $256
	JNE         vector

	ADDQ $128, BX
	ADDQ $16, CX
	ADDQ $256, R13
	ADDQ $256, R15
	SUBQ $8, AX
	JNZ  span

	// The sums of the row, one to each vector's part of y.
	MOVQ y_len+8(FP), R9
	SHRQ $1, R9          // bytes of a vector's part
	MOVQ R8, DI
	XORQ AX, AX

store:
	VMOVUPS (R10)(AX*1), Y0
	HSUM(Y0, X0, X1)
	VMOVSS  X0, (DI)
	ADDQ    R9, DI
	ADDQ    $32, AX
	CMPQ    AX, $256
	JNE     store

	ADDQ $4, R8
	ADDQ stride+72(FP), SI
	ADDQ stride+72(FP), DX
	DECQ R12
	JNZ  row
	VZEROUPPER
	RET
