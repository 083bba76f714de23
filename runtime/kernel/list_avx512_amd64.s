//go:build !noasm

#include "textflag.h"

// count: the numbers of sixteen lanes.
DATA count<>+0(SB)/8, $0x0000000100000000
DATA count<>+8(SB)/8, $0x0000000300000002
DATA count<>+16(SB)/8, $0x0000000500000004
DATA count<>+24(SB)/8, $0x0000000700000006
DATA count<>+32(SB)/8, $0x0000000900000008
DATA count<>+40(SB)/8, $0x0000000b0000000a
DATA count<>+48(SB)/8, $0x0000000d0000000c
DATA count<>+56(SB)/8, $0x0000000f0000000e
GLOBL count<>(SB), RODATA|NOPTR, $64

DATA lanes<>+0(SB)/4, $16
GLOBL lanes<>(SB), RODATA|NOPTR, $4

// func listActiveAVX512(neurons []int32, h, gates []float32, weight float32) int
//
// Sixteen lanes are stored at a time where the next active neuron belongs, which is never behind its own place.
TEXT ·listActiveAVX512(SB), NOSPLIT, $0-88
	MOVQ         neurons_base+0(FP), DI
	MOVQ         h_base+24(FP), R8
	MOVQ         gates_base+48(FP), SI
	MOVQ         gates_len+56(FP), CX
	VBROADCASTSS weight+72(FP), Z1
	VMOVDQU64    count<>(SB), Z2
	VPBROADCASTD lanes<>(SB), Z3
	VPXORQ       Z0, Z0, Z0
	XORQ         AX, AX

sixteen:
	VMOVUPS       (SI), Z4
	VCMPPS        $0x1e, Z0, Z4, K1 // more than zero: not NaN
	VMULPS        Z1, Z4, Z4
	VPCOMPRESSD.Z Z2, K1, Z5
	VCOMPRESSPS.Z Z4, K1, Z6
	VMOVDQU64     Z5, (DI)(AX*4)
	VMOVUPS       Z6, (R8)(AX*4)
	KMOVW         K1, BX
	POPCNTL       BX, BX
	ADDQ          BX, AX
	VPADDD        Z3, Z2, Z2
	ADDQ          $64, SI
	SUBQ          $16, CX
	JNE           sixteen
	MOVQ          AX, ret+80(FP)
	VZEROUPPER
	RET
