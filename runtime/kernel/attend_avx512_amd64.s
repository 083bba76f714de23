//go:build !noasm

#include "textflag.h"

// KEY adds the products of sixteen numbers of a key at k with those of two queries in Z8 and Z9 to s0 and s1.
#define KEY(k, s0, s1) \
	VMOVUPS     k, Z10;       \
	VFMADD231PS Z8, Z10, s0;  \
	VFMADD231PS Z9, Z10, s1

// HALVE adds the upper half of z to its lower, y; t is scratch.
#define HALVE(z, y, t) \
	VEXTRACTF64X4 $1, z, t; \
	VADDPS        t, y, y

// SUM4 leaves the sums of the eight floats of each of a, b, c and d in xa, the low half of a; x is scratch.
#define SUM4(a, b, c, d, xa, x) \
	VHADDPS      b, a, a;   \
	VHADDPS      d, c, c;   \
	VHADDPS      c, a, a;   \
	VEXTRACTF128 $1, a, x;  \
	VADDPS       x, xa, xa

// func scores2AVX512(dst, q, k []float32)
//
// Four positions at a time. R8 is the bytes in a row, R9-R11 the second to fourth key, R12 and R13 the queries.
TEXT ·scores2AVX512(SB), NOSPLIT, $0-72
	MOVQ  dst_base+0(FP), DI
	MOVQ  q_base+24(FP), R12
	MOVQ  q_len+32(FP), R8
	MOVQ  k_base+48(FP), SI
	MOVQ  k_len+56(FP), DX
	SHLQ  $2, DX
	SHLQ  $1, R8                // half of the floats, four bytes each
	LEAQ  (R12)(R8*1), R13
	TESTQ DX, DX
	JZ    done

positions:
	LEAQ   (SI)(R8*1), R9
	LEAQ   (R9)(R8*1), R10
	LEAQ   (R10)(R8*1), R11
	VPXORQ Z0, Z0, Z0
	VPXORQ Z1, Z1, Z1
	VPXORQ Z2, Z2, Z2
	VPXORQ Z3, Z3, Z3
	VPXORQ Z4, Z4, Z4
	VPXORQ Z5, Z5, Z5
	VPXORQ Z6, Z6, Z6
	VPXORQ Z7, Z7, Z7
	XORQ   AX, AX

sixteen:
	VMOVUPS (R12)(AX*1), Z8
	VMOVUPS (R13)(AX*1), Z9
	KEY((SI)(AX*1), Z0, Z4)
	KEY((R9)(AX*1), Z1, Z5)
	KEY((R10)(AX*1), Z2, Z6)
	KEY((R11)(AX*1), Z3, Z7)
	ADDQ    $64, AX
	CMPQ    AX, R8
	JLT     sixteen
	HALVE(Z0, Y0, Y8)
	HALVE(Z1, Y1, Y9)
	HALVE(Z2, Y2, Y8)
	HALVE(Z3, Y3, Y9)
	HALVE(Z4, Y4, Y8)
	HALVE(Z5, Y5, Y9)
	HALVE(Z6, Y6, Y8)
	HALVE(Z7, Y7, Y9)
	SUM4(Y0, Y1, Y2, Y3, X0, X8)
	SUM4(Y4, Y5, Y6, Y7, X4, X9)
	VMOVUPS X0, (DI)
	VMOVUPS X4, 128(DI)         // PositionTile floats further
	ADDQ    $16, DI
	LEAQ    (R11)(R8*1), SI
	MOVQ    R8, AX
	SHLQ    $2, AX
	SUBQ    AX, DX
	JGT     positions

done:
	VZEROUPPER
	RET

// func addWeighted2AVX512(out, p, v []float32)
//
// 64 columns at a time. R8 is the bytes in a row, R12 the second row of out.
TEXT ·addWeighted2AVX512(SB), NOSPLIT, $0-72
	MOVQ out_base+0(FP), DI
	MOVQ out_len+8(FP), R8
	MOVQ p_base+24(FP), BX
	MOVQ v_base+48(FP), SI
	MOVQ v_len+56(FP), DX
	SHLQ $2, DX
	SHLQ $1, R8
	LEAQ (DI)(R8*1), R12
	ADDQ SI, DX                 // end of v
	XORQ CX, CX                 // column, in bytes

columns:
	VMOVUPS 0(DI)(CX*1), Z0
	VMOVUPS 64(DI)(CX*1), Z1
	VMOVUPS 128(DI)(CX*1), Z2
	VMOVUPS 192(DI)(CX*1), Z3
	VMOVUPS 0(R12)(CX*1), Z4
	VMOVUPS 64(R12)(CX*1), Z5
	VMOVUPS 128(R12)(CX*1), Z6
	VMOVUPS 192(R12)(CX*1), Z7
	MOVQ    BX, R9
	LEAQ    (SI)(CX*1), R10

position:
	CMPQ         R10, DX
	JGE          store
	VBROADCASTSS (R9), Z8
	VBROADCASTSS 128(R9), Z9    // PositionTile floats further
	VMOVUPS      0(R10), Z10
	VMOVUPS      64(R10), Z11
	VMOVUPS      128(R10), Z12
	VMOVUPS      192(R10), Z13
	VFMADD231PS  Z8, Z10, Z0
	VFMADD231PS  Z8, Z11, Z1
	VFMADD231PS  Z8, Z12, Z2
	VFMADD231PS  Z8, Z13, Z3
	VFMADD231PS  Z9, Z10, Z4
	VFMADD231PS  Z9, Z11, Z5
	VFMADD231PS  Z9, Z12, Z6
	VFMADD231PS  Z9, Z13, Z7
	ADDQ         $4, R9
	ADDQ         R8, R10
	JMP          position

store:
	VMOVUPS Z0, 0(DI)(CX*1)
	VMOVUPS Z1, 64(DI)(CX*1)
	VMOVUPS Z2, 128(DI)(CX*1)
	VMOVUPS Z3, 192(DI)(CX*1)
	VMOVUPS Z4, 0(R12)(CX*1)
	VMOVUPS Z5, 64(R12)(CX*1)
	VMOVUPS Z6, 128(R12)(CX*1)
	VMOVUPS Z7, 192(R12)(CX*1)
	ADDQ    $256, CX
	CMPQ    CX, R8
	JLT     columns
	VZEROUPPER
	RET
