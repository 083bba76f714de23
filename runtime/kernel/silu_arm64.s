//go:build !noasm

#include "textflag.h"
#include "neon_arm64.h"

// The constants of silu_generic.go.
DATA silu<>+0(SB)/4, $0x3fb8aa3b  // 1/ln 2
DATA silu<>+4(SB)/4, $0x3f318000  // ln 2, upper bits
DATA silu<>+8(SB)/4, $0xb95e8083  // ln 2, lower bits
DATA silu<>+12(SB)/4, $127
DATA silu<>+16(SB)/4, $0x3f800000 // 1
DATA silu<>+20(SB)/4, $0x80000000 // the sign
DATA silu<>+24(SB)/4, $0xc2f00000 // −120
DATA silu<>+28(SB)/4, $0x39506967 // the polynomial
DATA silu<>+32(SB)/4, $0x3ab743ce
DATA silu<>+36(SB)/4, $0x3c088908
DATA silu<>+40(SB)/4, $0x3d2aa9c1
DATA silu<>+44(SB)/4, $0x3e2aaaaa
DATA silu<>+48(SB)/4, $0x3f000000
DATA silu<>+52(SB)/4, $0xc1400000 // −12
DATA silu<>+56(SB)/4, $0x3fcc422a // 2·√(2/π)
DATA silu<>+60(SB)/4, $0x3d922279 // that times 0.044715
GLOBL silu<>(SB), RODATA|NOPTR, $64

// TERM makes p = p·r + c, r in V1 and p in V3.
#define TERM(c) \
	FMUL(3, 3, 1);  \
	FADD(3, 3, c)

// LOGISTIC leaves x/(1 + exp(−z)) in V0, where V0 is x, V1 has |z| with the sign of −1, and both have the same sign. V1 becomes r, V2 n,
// V3 p, V4 and V5 the parts of 2ⁿ, V6 1 + t, V7 the mask of negative x. V16-V28 have the constants in every lane, in order.
#define LOGISTIC \
	FMAX(1, 1, 22);      \
	FMUL(2, 1, 16);      \
	FCVTNS(2, 2);        \
	SCVTF(5, 2);         \
	FMUL(3, 5, 17);      \
	FSUB(1, 1, 3);       \
	FMUL(3, 5, 18);      \
	FSUB(1, 1, 3);       \
	MOVB(3, 23);         \
	TERM(24);            \
	TERM(25);            \
	TERM(26);            \
	TERM(27);            \
	TERM(28);            \
	FMUL(4, 1, 1);       \
	FMUL(3, 3, 4);       \
	FADD(3, 3, 1);       \
	FADD(3, 3, 20);      \
	SSHR1S(4, 2);        \
	SUBS4(5, 2, 4);      \
	ADDS4(4, 4, 19);     \
	ADDS4(5, 5, 19);     \
	SHL23S(4, 4);        \
	SHL23S(5, 5);        \
	FMUL(6, 3, 4);       \
	FMUL(6, 6, 5);       \
	FADD(6, 6, 20);      \
	SSHR31S(7, 0);       \
	MOVB(1, 7);          \
	FMUL(3, 0, 3);       \
	BSLB(1, 3, 0);       \
	FDIV(1, 1, 6);       \
	FMUL(2, 1, 4);       \
	FMUL(2, 2, 5);       \
	MOVB(0, 7);          \
	BSLB(0, 2, 1)

// SILU leaves silu(V0) in V0.
#define SILU \
	FMAX(0, 0, 22); \
	ORRB(1, 0, 21); \
	LOGISTIC

// GELU leaves gelu(V0) in V0. V9-V11 have its constants.
#define GELU \
	FMAX(0, 0, 9);  \
	FMUL(1, 0, 0);  \
	FMUL(1, 1, 11); \
	FADD(1, 1, 10); \
	FMUL(1, 1, 0);  \
	ORRB(1, 1, 21); \
	LOGISTIC

// func siluMulNEON(dst, gate, up []float32)
TEXT ·siluMulNEON(SB), NOSPLIT, $0-72
	MOVD  dst_base+0(FP), R0
	MOVD  dst_len+8(FP), R1
	MOVD  gate_base+24(FP), R2
	MOVD  up_base+48(FP), R3
	MOVD  $silu<>(SB), R4
	FLDPQ (R4), (F28, F29)
	FLDPQ 32(R4), (F30, F31)
	DUPS(16, 28, 0)
	DUPS(17, 28, 1)
	DUPS(18, 28, 2)
	DUPS(19, 28, 3)
	DUPS(20, 29, 0)
	DUPS(21, 29, 1)
	DUPS(22, 29, 2)
	DUPS(23, 29, 3)
	DUPS(24, 30, 0)
	DUPS(25, 30, 1)
	DUPS(26, 30, 2)
	DUPS(27, 30, 3)
	DUPS(28, 31, 0)
	SUBS  $4, R1
	BLT   rest

four:
	FMOVQ.P 16(R2), F0
	FMOVQ.P 16(R3), F8
	SILU
	FMUL(0, 0, 8)
	FMOVQ.P F0, 16(R0)
	SUBS    $4, R1
	BGE     four

rest:
	ADDS $4, R1
	BEQ  done

one:
	FMOVS.P 4(R2), F0
	FMOVS.P 4(R3), F8
	SILU
	FMUL(0, 0, 8)
	FMOVS.P F0, 4(R0)
	SUBS    $1, R1
	BNE     one

done:
	RET

// func geluMulNEON(dst, gate, up []float32)
TEXT ·geluMulNEON(SB), NOSPLIT, $0-72
	MOVD  dst_base+0(FP), R0
	MOVD  dst_len+8(FP), R1
	MOVD  gate_base+24(FP), R2
	MOVD  up_base+48(FP), R3
	MOVD  $silu<>(SB), R4
	FLDPQ (R4), (F28, F29)
	FLDPQ 32(R4), (F30, F31)
	DUPS(16, 28, 0)
	DUPS(17, 28, 1)
	DUPS(18, 28, 2)
	DUPS(19, 28, 3)
	DUPS(20, 29, 0)
	DUPS(21, 29, 1)
	DUPS(22, 29, 2)
	DUPS(23, 29, 3)
	DUPS(24, 30, 0)
	DUPS(25, 30, 1)
	DUPS(26, 30, 2)
	DUPS(27, 30, 3)
	DUPS(28, 31, 0)
	DUPS(9, 31, 1)
	DUPS(10, 31, 2)
	DUPS(11, 31, 3)
	SUBS  $4, R1
	BLT   rest

four:
	FMOVQ.P 16(R2), F0
	FMOVQ.P 16(R3), F8
	GELU
	FMUL(0, 0, 8)
	FMOVQ.P F0, 16(R0)
	SUBS    $4, R1
	BGE     four

rest:
	ADDS $4, R1
	BEQ  done

one:
	FMOVS.P 4(R2), F0
	FMOVS.P 4(R3), F8
	GELU
	FMUL(0, 0, 8)
	FMOVS.P F0, 4(R0)
	SUBS    $1, R1
	BNE     one

done:
	RET
