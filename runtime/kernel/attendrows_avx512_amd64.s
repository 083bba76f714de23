//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "transpose_amd64.h"

// The constants of exp: see attend_amd64.s. magic is 1.5·2²³: the low bits of a float that it was added to are an integer.
DATA exp<>+0(SB)/4, $0x3fb8aa3b  // 1/ln 2
DATA exp<>+4(SB)/4, $0xbf318000  // −ln 2, upper bits
DATA exp<>+8(SB)/4, $0x395e8083  // −ln 2, lower bits
DATA exp<>+12(SB)/4, $0x39506967
DATA exp<>+16(SB)/4, $0x3ab743ce
DATA exp<>+20(SB)/4, $0x3c088908
DATA exp<>+24(SB)/4, $0x3d2aa9c1
DATA exp<>+28(SB)/4, $0x3e2aaaaa
DATA exp<>+32(SB)/4, $0x3f000000
DATA exp<>+36(SB)/4, $0x3f800000
DATA exp<>+40(SB)/4, $0xc2aeac50 // below, exp becomes 0
DATA exp<>+44(SB)/4, $0x4b400000 // magic
DATA exp<>+48(SB)/4, $0xff800000 // −∞
DATA exp<>+52(SB)/4, $1
GLOBL exp<>(SB), RODATA|NOPTR, $56

// EXP makes x exp(x). Z10-Z20 are constants; t, n, p and keep are scratch.
#define EXP(x, t, n, p, keep) \
	VSUBPS      x, Z20, keep;   \
	VPSRAD      $31, keep, keep; \
	VMAXPS      x, Z20, x;      \
	VMOVAPS     Z19, t;         \
	VFMADD231PS Z10, x, t;      \
	VSUBPS      Z19, t, n;      \
	VFMADD231PS Z11, n, x;      \
	VFMADD231PS Z12, n, x;      \
	VMOVAPS     Z13, p;         \
	VFMADD213PS Z14, x, p;      \
	VFMADD213PS Z15, x, p;      \
	VFMADD213PS Z16, x, p;      \
	VFMADD213PS Z17, x, p;      \
	VFMADD213PS Z18, x, p;      \
	VMULPS      x, x, n;        \
	VFMADD213PS x, n, p;        \
	VADDPS      Z9, p, p;       \
	VPSLLD      $23, t, t;      \
	VPADDD      t, p, p;        \
	VPANDQ      keep, p, x

// KEYS adds the products of the numbers x bytes into sixteen keys with those of the queries in q to Z0-Z15.
#define KEYS(x, q) \
	VFMADD231PS.BCST (x)(SI), q, Z0;        \
	VFMADD231PS.BCST (x)(SI)(R8*1), q, Z1;  \
	VFMADD231PS.BCST (x)(SI)(R8*2), q, Z2;  \
	VFMADD231PS.BCST (x)(SI)(R9*1), q, Z3;  \
	VFMADD231PS.BCST (x)(R10), q, Z4;       \
	VFMADD231PS.BCST (x)(R10)(R8*1), q, Z5; \
	VFMADD231PS.BCST (x)(R10)(R8*2), q, Z6; \
	VFMADD231PS.BCST (x)(R10)(R9*1), q, Z7; \
	VFMADD231PS.BCST (x)(R11), q, Z8;       \
	VFMADD231PS.BCST (x)(R11)(R8*1), q, Z9; \
	VFMADD231PS.BCST (x)(R11)(R8*2), q, Z10; \
	VFMADD231PS.BCST (x)(R11)(R9*1), q, Z11; \
	VFMADD231PS.BCST (x)(R12), q, Z12;       \
	VFMADD231PS.BCST (x)(R12)(R8*1), q, Z13; \
	VFMADD231PS.BCST (x)(R12)(R8*2), q, Z14; \
	VFMADD231PS.BCST (x)(R12)(R9*1), q, Z15

#define ALL16(F) \
	F(0, Z0); F(1, Z1); F(2, Z2); F(3, Z3); F(4, Z4); F(5, Z5); F(6, Z6); F(7, Z7); \
	F(8, Z8); F(9, Z9); F(10, Z10); F(11, Z11); F(12, Z12); F(13, Z13); F(14, Z14); F(15, Z15)

#define CLEAR(i, z) VPXORQ z, z, z
#define STORE(i, z) VMOVUPS z, (64*i)(DI)
#define SHRINK(i, z) VMULPS (64*i)(BX), Z31, z
#define VALUE(i, z) VFMADD231PS.BCST (4*i)(SI), Z16, z
#define KEEP(i, z) VMOVUPS z, (64*i)(BX)

// func attendRowsAVX512(q, out, state, k, v *float32, n, d int, spans *Spans)
//
// R8 are the bytes of a key or a value.
TEXT ·attendRowsAVX512(SB), NOSPLIT, $0-64
	MOVQ d+48(FP), R8
	SHLQ $2, R8
	LEAQ (R8)(R8*2), R9
	MOVQ state+16(FP), DI
	MOVQ k+24(FP), SI
	MOVQ n+40(FP), CX

	// The scores of sixteen positions. The tile has so many rows, though n may be fewer.
positions:
	LEAQ (SI)(R8*4), R10
	LEAQ (R10)(R8*4), R11
	LEAQ (R11)(R8*4), R12
	LEAQ (R12)(R8*4), R13
	MOVQ q+0(FP), BX
	MOVQ d+48(FP), DX
	ALL16(CLEAR)

numbers:
	VMOVUPS 0(BX), Z16
	VMOVUPS 64(BX), Z17
	KEYS(0, Z16)
	KEYS(4, Z17)
	ADDQ $8, SI
	ADDQ $8, R10
	ADDQ $8, R11
	ADDQ $8, R12
	ADDQ $128, BX
	SUBQ $2, DX
	JNZ  numbers
	ALL16(STORE)
	ADDQ $1024, DI
	MOVQ R13, SI
	SUBQ $16, CX
	JGT  positions

	// What a query does not see has the score −∞.
	MOVQ spans+56(FP), BX
	TESTQ BX, BX
	JZ   softmax
	MOVQ state+16(FP), DI
	MOVQ n+40(FP), CX
	VMOVDQU64 0(BX), Z0          // from
	VMOVDQU64 64(BX), Z1         // to
	VPXORQ    Z2, Z2, Z2         // the position
	VPBROADCASTD exp<>+52(SB), Z3
	VPBROADCASTD exp<>+48(SB), Z4

mask:
	VPSUBD  Z1, Z2, Z5
	VPSUBD  Z0, Z2, Z6
	VPSRAD  $31, Z5, Z5
	VPSRAD  $31, Z6, Z6
	VPANDNQ Z5, Z6, Z5           // it is seen
	VPANDQ  (DI), Z5, Z7
	VPANDNQ Z4, Z5, Z6
	VPORQ   Z6, Z7, Z7
	VMOVDQU64 Z7, (DI)
	VPADDD  Z3, Z2, Z2
	ADDQ    $64, DI
	DECQ    CX
	JNZ     mask

softmax:
	MOVQ    state+16(FP), DI
	MOVQ    n+40(FP), CX
	VMOVUPS (4*const_rowsMax)(DI), Z0
	VMOVAPS Z0, Z1

largest:
	VMAXPS (DI), Z1, Z1
	ADDQ   $64, DI
	DECQ   CX
	JNZ    largest

	VBROADCASTSS exp<>+0(SB), Z10
	VBROADCASTSS exp<>+4(SB), Z11
	VBROADCASTSS exp<>+8(SB), Z12
	VBROADCASTSS exp<>+12(SB), Z13
	VBROADCASTSS exp<>+16(SB), Z14
	VBROADCASTSS exp<>+20(SB), Z15
	VBROADCASTSS exp<>+24(SB), Z16
	VBROADCASTSS exp<>+28(SB), Z17
	VBROADCASTSS exp<>+32(SB), Z18
	VBROADCASTSS exp<>+44(SB), Z19
	VBROADCASTSS exp<>+40(SB), Z20
	VBROADCASTSS exp<>+36(SB), Z9
	MOVQ    state+16(FP), DI
	MOVQ    n+40(FP), CX
	VSUBPS  Z1, Z0, Z31
	VMOVUPS Z1, (4*const_rowsMax)(DI)
	EXP(Z31, Z3, Z4, Z5, Z6)
	VMULPS  (4*const_rowsSum)(DI), Z31, Z2

weights:
	VMOVUPS (DI), Z0
	VSUBPS  Z1, Z0, Z0
	EXP(Z0, Z3, Z4, Z5, Z6)
	VMOVUPS Z0, (DI)
	VADDPS  Z0, Z2, Z2
	ADDQ    $64, DI
	DECQ    CX
	JNZ     weights
	MOVQ    state+16(FP), DI
	VMOVUPS Z2, (4*const_rowsSum)(DI)

	// Sixteen numbers of the values at a time.
	MOVQ out+8(FP), BX
	MOVQ v+32(FP), R10
	MOVQ d+48(FP), DX

columns:
	MOVQ state+16(FP), DI
	MOVQ n+40(FP), CX
	MOVQ R10, SI
	ALL16(SHRINK)

position:
	VMOVUPS (DI), Z16
	ALL16(VALUE)
	ADDQ R8, SI
	ADDQ $64, DI
	DECQ CX
	JNZ  position
	ALL16(KEEP)
	ADDQ $1024, BX
	ADDQ $64, R10
	SUBQ $16, DX
	JNZ  columns
	VZEROUPPER
	RET

// LANES transposes the lanes of a, b, c and d.
#define LANES(a, b, c, d, t, u, v) \
	VSHUFI64X2 $0x44, b, a, t; \
	VSHUFI64X2 $0xee, b, a, u; \
	VSHUFI64X2 $0x44, d, c, v; \
	VSHUFI64X2 $0xee, d, c, d; \
	VSHUFI64X2 $0x88, v, t, a; \
	VSHUFI64X2 $0xdd, v, t, b; \
	VSHUFI64X2 $0x88, d, u, c; \
	VSHUFI64X2 $0xdd, d, u, d

// SIXTEEN transposes Z0-Z15: row 4l+k of what comes out is in Z(4k+l)'s place for k = 0…3 in order Z0, Z4, Z8, Z12, then Z1, and so on.
#define SIXTEEN \
	TRANSPOSE(Z0, Z1, Z2, Z3, Z16, Z17, Z18);     \
	TRANSPOSE(Z4, Z5, Z6, Z7, Z16, Z17, Z18);     \
	TRANSPOSE(Z8, Z9, Z10, Z11, Z16, Z17, Z18);   \
	TRANSPOSE(Z12, Z13, Z14, Z15, Z16, Z17, Z18); \
	LANES(Z0, Z4, Z8, Z12, Z16, Z17, Z18);    \
	LANES(Z1, Z5, Z9, Z13, Z16, Z17, Z18);    \
	LANES(Z2, Z6, Z10, Z14, Z16, Z17, Z18);   \
	LANES(Z3, Z7, Z11, Z15, Z16, Z17, Z18)

#define LOADROW(i, z) \
	MOVQ    (8*i)(R8), AX;    \
	VMOVUPS (SI)(AX*4), z

#define PUTROW(i, z) \
	VMULPS  Z31, z, z; \
	VMOVUPS z, (64*i)(DI)

// func transposeRowsAVX512(q, src *float32, at *[16]int, d int, scale float32)
TEXT ·transposeRowsAVX512(SB), NOSPLIT, $0-36
	MOVQ         q+0(FP), DI
	MOVQ         src+8(FP), SI
	MOVQ         at+16(FP), R8
	MOVQ         d+24(FP), CX
	VBROADCASTSS scale+32(FP), Z31

block:
	ALL16(LOADROW)
	SIXTEEN
	PUTROW(0, Z0)
	PUTROW(1, Z1)
	PUTROW(2, Z2)
	PUTROW(3, Z3)
	PUTROW(4, Z4)
	PUTROW(5, Z5)
	PUTROW(6, Z6)
	PUTROW(7, Z7)
	PUTROW(8, Z8)
	PUTROW(9, Z9)
	PUTROW(10, Z10)
	PUTROW(11, Z11)
	PUTROW(12, Z12)
	PUTROW(13, Z13)
	PUTROW(14, Z14)
	PUTROW(15, Z15)
	ADDQ $64, SI
	ADDQ $1024, DI
	SUBQ $16, CX
	JNZ  block
	VZEROUPPER
	RET

#define LOADCOLUMN(i, z) VMULPS (64*i)(SI), Z31, z

#define STOREROW(i, z) \
	MOVQ    (8*i)(R8), AX;    \
	VMOVUPS z, (DI)(AX*4)

// func restoreRowsAVX512(dst *float32, at *[16]int, out, sum *float32, d int)
TEXT ·restoreRowsAVX512(SB), NOSPLIT, $0-40
	MOVQ         dst+0(FP), DI
	MOVQ         at+8(FP), R8
	MOVQ         out+16(FP), SI
	MOVQ         sum+24(FP), BX
	MOVQ         d+32(FP), CX
	VBROADCASTSS exp<>+36(SB), Z31
	VDIVPS       (BX), Z31, Z31

block:
	ALL16(LOADCOLUMN)
	SIXTEEN
	ALL16(STOREROW)
	ADDQ $1024, SI
	ADDQ $64, DI
	SUBQ $16, CX
	JNZ  block
	VZEROUPPER
	RET
