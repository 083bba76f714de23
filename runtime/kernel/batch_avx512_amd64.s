//go:build !noasm

#include "go_asm.h"
#include "textflag.h"

// func addTileAVX512(y []float32, tokens int, s *batch)
//
// R8 is the token, whose factors are at BX, and end at DX. Two rows at a time are added, to sums of their own: one chain of sums would wait for the
// latency of its instructions.
TEXT ·addTileAVX512(SB), NOSPLIT, $0-40
	MOVQ y_base+0(FP), DI
	MOVQ tokens+24(FP), R10
	MOVQ s+32(FP), R11
	LEAQ batch_tile(R11), SI
	LEAQ batch_factors(R11), R12
	XORQ R8, R8

token:
	CMPQ       R8, R10
	JGE        done
	MOVLQSX    batch_start(R11)(R8*4), BX
	MOVLQSX    batch_end(R11)(R8*4), DX
	LEAQ       (R12)(BX*8), BX
	LEAQ       (R12)(DX*8), DX
	CMPQ       BX, DX
	JEQ        next
	VMOVUPS    0(DI), Z0
	VMOVUPS    64(DI), Z1
	VMOVUPS    128(DI), Z2
	VMOVUPS    192(DI), Z3
	PREFETCHT0 512(DI)
	PREFETCHT0 576(DI)
	PREFETCHT0 640(DI)
	PREFETCHT0 704(DI)

	VPXORQ     Z4, Z4, Z4
	VPXORQ     Z5, Z5, Z5
	VPXORQ     Z6, Z6, Z6
	VPXORQ     Z7, Z7, Z7
	SUBQ       $factor__size, DX
	CMPQ       BX, DX
	JGE        last

rows:
	MOVLQSX      factor_at(BX), AX
	MOVLQSX      (factor__size+factor_at)(BX), CX
	VBROADCASTSS factor_h(BX), Z8
	VBROADCASTSS (factor__size+factor_h)(BX), Z9
	VFMADD231PS  0(SI)(AX*4), Z8, Z0
	VFMADD231PS  64(SI)(AX*4), Z8, Z1
	VFMADD231PS  128(SI)(AX*4), Z8, Z2
	VFMADD231PS  192(SI)(AX*4), Z8, Z3
	VFMADD231PS  0(SI)(CX*4), Z9, Z4
	VFMADD231PS  64(SI)(CX*4), Z9, Z5
	VFMADD231PS  128(SI)(CX*4), Z9, Z6
	VFMADD231PS  192(SI)(CX*4), Z9, Z7
	ADDQ         $(2*factor__size), BX
	CMPQ         BX, DX
	JLT          rows
	JGT          sum

last:
	MOVLQSX      factor_at(BX), AX
	VBROADCASTSS factor_h(BX), Z8
	VFMADD231PS  0(SI)(AX*4), Z8, Z0
	VFMADD231PS  64(SI)(AX*4), Z8, Z1
	VFMADD231PS  128(SI)(AX*4), Z8, Z2
	VFMADD231PS  192(SI)(AX*4), Z8, Z3

sum:
	VADDPS       Z4, Z0, Z0
	VADDPS       Z5, Z1, Z1
	VADDPS       Z6, Z2, Z2
	VADDPS       Z7, Z3, Z3
	VMOVUPS      Z0, 0(DI)
	VMOVUPS      Z1, 64(DI)
	VMOVUPS      Z2, 128(DI)
	VMOVUPS      Z3, 192(DI)

next:
	ADDQ $(4*const_tileCols), DI
	INCQ R8
	JMP  token

done:
	VZEROUPPER
	RET

// table: the sixteen weights of Q4_0, q − 8.
DATA table<>+0(SB)/8, $0xc0e00000c1000000
DATA table<>+8(SB)/8, $0xc0a00000c0c00000
DATA table<>+16(SB)/8, $0xc0400000c0800000
DATA table<>+24(SB)/8, $0xbf800000c0000000
DATA table<>+32(SB)/8, $0x3f80000000000000
DATA table<>+40(SB)/8, $0x4040000040000000
DATA table<>+48(SB)/8, $0x40a0000040800000
DATA table<>+56(SB)/8, $0x40e0000040c00000
GLOBL table<>(SB), RODATA|NOPTR, $64

// DECODE decodes the block at w(R8), whose scale is at s(R9), to y(DI): VPERMPS looks the low nibbles of lanes up in the
// table Z31, times the scale.
#define DECODE(w, s, y) \
	VPBROADCASTW (s)(R9), X1;   \
	VCVTPH2PS    X1, X1;        \
	VBROADCASTSS X1, Z1;        \
	VMULPS       Z31, Z1, Z1;   \
	VPMOVZXBD    (w)(R8), Z2;   \
	VPSRLD       $4, Z2, Z3;    \
	VPERMPS      Z1, Z2, Z4;    \
	VPERMPS      Z1, Z3, Z5;    \
	VMOVUPS      Z4, (y)(DI);   \
	VMOVUPS      Z5, (y+64)(DI)

// func decodeRowsQ4AVX512(dst []float32, quants, scales []byte, stride int, rows []int32)
TEXT ·decodeRowsQ4AVX512(SB), NOSPLIT, $0-104
	MOVQ      dst_base+0(FP), DI
	MOVQ      quants_base+24(FP), BX
	MOVQ      scales_base+48(FP), CX
	MOVQ      stride+72(FP), DX
	MOVQ      rows_base+80(FP), SI
	MOVQ      rows_len+88(FP), AX
	VMOVUPS   table<>(SB), Z31
	TESTQ     AX, AX
	JZ        done

row:
	MOVL  (SI), R8
	IMULQ DX, R8
	LEAQ  (CX)(R8*1), R9
	ADDQ  BX, R8
	DECODE(0, 0, 0)
	DECODE(16, 2, 128)
	ADDQ  $256, DI
	ADDQ  $4, SI
	DECQ  AX
	JNZ   row

done:
	VZEROUPPER
	RET
