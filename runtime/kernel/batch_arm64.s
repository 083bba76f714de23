//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "neon_arm64.h"
#include "nibbles_arm64.h"

// VECTOR adds four blocks of weights in V0-V7 (low nibbles, high ones) times vector v to V(8+v): R4-R7 are the activations, R8
// to R11 their scales, R12-R15 their sums; V12 are the weights' scales, V30 longs of 8.
#define VECTOR(v, xq, xd, xsum) \
	FLDPQ   (xq), (F16, F17);       \
	FLDPQ   32(xq), (F18, F19);     \
	FLDPQ   64(xq), (F20, F21);     \
	FLDPQ   96(xq), (F22, F23);     \
	FMOVQ.P 16(xsum), F14;          \
	FMOVQ.P 16(xd), F13;            \
	ADD     $128, xq;               \
	ZERO(24);                       \
	ZERO(25);                       \
	ZERO(26);                       \
	ZERO(27);                       \
	SDOT(24, 0, 16);                \
	SDOT(25, 1, 18);                \
	SDOT(26, 2, 20);                \
	SDOT(27, 3, 22);                \
	SDOT(24, 4, 17);                \
	SDOT(25, 5, 19);                \
	SDOT(26, 6, 21);                \
	SDOT(27, 7, 23);                \
	FMUL(13, 13, 12);               \
	ADDPS(24, 24, 25);              \
	ADDPS(26, 26, 27);              \
	ADDPS(24, 24, 26);              \
	MLSS(24, 14, 30);               \
	SCVTF(24, 24);                  \
	FMLA(8+v, 24, 13)

// VECTOR1 is VECTOR for one block: the other lanes are zero.
#define VECTOR1(v, xq, xd, xsum) \
	FLDPQ.P 32(xq), (F16, F17);     \
	FMOVS.P 4(xsum), F14;           \
	FMOVS.P 4(xd), F13;             \
	ZERO(24);                       \
	SDOT(24, 0, 16);                \
	SDOT(24, 4, 17);                \
	FMUL(13, 13, 12);               \
	ADDVS(24, 24);                  \
	MLSS(24, 14, 30);               \
	SCVTF(24, 24);                  \
	FMLA(8+v, 24, 13)

// func dotQ4x4DotProd(dots *[4]float32, quants, scales []byte, x *[4]vector)
TEXT ·dotQ4x4DotProd(SB), NOSPLIT, $0-64
	MOVD  dots+0(FP), R0
	MOVD  quants_base+8(FP), R1
	MOVD  scales_base+32(FP), R2
	MOVD  x+56(FP), R16
	MOVD  (0*vector__size+vector_q)(R16), R4
	MOVD  (1*vector__size+vector_q)(R16), R5
	MOVD  (2*vector__size+vector_q)(R16), R6
	MOVD  (3*vector__size+vector_q)(R16), R7
	MOVD  (0*vector__size+vector_d)(R16), R8
	MOVD  (1*vector__size+vector_d)(R16), R9
	MOVD  (2*vector__size+vector_d)(R16), R10
	MOVD  (3*vector__size+vector_d)(R16), R11
	MOVD  (0*vector__size+vector_sum)(R16), R12
	MOVD  (1*vector__size+vector_sum)(R16), R13
	MOVD  (2*vector__size+vector_sum)(R16), R14
	MOVD  (3*vector__size+vector_sum)(R16), R15
	MOVD  (vector_d+8)(R16), R3
	VMOVI $15, V31.B16
	MOVD  $8, R16
	VDUP  R16, V30.S4
	ZERO(8)
	ZERO(9)
	ZERO(10)
	ZERO(11)
	SUBS  $4, R3
	BLT   rest

four:
	VLD1.P  64(R1), [V0.B16, V1.B16, V2.B16, V3.B16]
	FMOVD.P 8(R2), F12
	FCVTL(12, 12)
	USHR4B(4, 0)
	USHR4B(5, 1)
	USHR4B(6, 2)
	USHR4B(7, 3)
	ANDB(0, 0, 31)
	ANDB(1, 1, 31)
	ANDB(2, 2, 31)
	ANDB(3, 3, 31)
	VECTOR(0, R4, R8, R12)
	VECTOR(1, R5, R9, R13)
	VECTOR(2, R6, R10, R14)
	VECTOR(3, R7, R11, R15)
	SUBS    $4, R3
	BGE     four

rest:
	ADDS $4, R3
	BEQ  done

one:
	FMOVQ.P 16(R1), F0
	LDRH2(12, 2)
	FCVTL(12, 12)
	USHR4B(4, 0)
	ANDB(0, 0, 31)
	VECTOR1(0, R4, R8, R12)
	VECTOR1(1, R5, R9, R13)
	VECTOR1(2, R6, R10, R14)
	VECTOR1(3, R7, R11, R15)
	SUBS    $1, R3
	BNE     one

done:
	FADDP(8, 8, 9)
	FADDP(10, 10, 11)
	FADDP(8, 8, 10)
	FMOVQ F8, (R0)
	RET

// ADD32 adds V24 times the 32 numbers at (R17), which moves on by them, to registers y…y+7.
#define ADD32(y) \
	FLDPQ   32(R17), (F18, F19);    \
	FLDPQ   64(R17), (F20, F21);    \
	FLDPQ   96(R17), (F22, F23);    \
	FLDPQ.P 128(R17), (F16, F17);   \
	FMLAE(y+2, 18, 24, 0);          \
	FMLAE(y+3, 19, 24, 0);          \
	FMLAE(y+4, 20, 24, 0);          \
	FMLAE(y+5, 21, 24, 0);          \
	FMLAE(y+6, 22, 24, 0);          \
	FMLAE(y+7, 23, 24, 0);          \
	FMLAE(y, 16, 24, 0);            \
	FMLAE(y+1, 17, 24, 0)

// func addTileNEON(y []float32, tokens int, s *batch)
//
// 64 columns at a time. R3 is a token's y, R4 and R0 where its factors start and end, R5 the factors of all, R6 the token's, R9 how many, R7 the
// tile, R10 the columns left, R11 and R12 those of y and of the tile, R13 a factor, R15 how many are left.
TEXT ·addTileNEON(SB), NOSPLIT, $0-40
	MOVD y_base+0(FP), R3
	MOVD tokens+24(FP), R1
	MOVD s+32(FP), R2
	MOVD $batch_start, R4
	ADD  R2, R4
	MOVD $batch_end, R0
	ADD  R2, R0
	MOVD $batch_factors, R5
	ADD  R2, R5
	MOVD $batch_tile, R7
	ADD  R2, R7
	CBZ  R1, done

token:
	MOVW.P 4(R4), R6
	MOVW.P 4(R0), R9
	SUBS   R6, R9
	BEQ    next
	ADD    R6<<3, R5, R6
	MOVD   $const_tileCols, R10
	MOVD   R3, R11
	MOVD   R7, R12

columns:
	FLDPQ 0(R11), (F0, F1)
	FLDPQ 32(R11), (F2, F3)
	FLDPQ 64(R11), (F4, F5)
	FLDPQ 96(R11), (F6, F7)
	FLDPQ 128(R11), (F8, F9)
	FLDPQ 160(R11), (F10, F11)
	FLDPQ 192(R11), (F12, F13)
	FLDPQ 224(R11), (F14, F15)
	MOVD  R6, R13
	MOVD  R9, R15

row:
	MOVW.P  4(R13), R16
	FMOVS.P 4(R13), F24
	ADD     R16<<2, R12, R17
	ADD32(0)
	ADD32(8)
	SUBS    $1, R15
	BNE     row
	FSTPQ   (F2, F3), 32(R11)
	FSTPQ   (F4, F5), 64(R11)
	FSTPQ   (F6, F7), 96(R11)
	FSTPQ   (F8, F9), 128(R11)
	FSTPQ   (F10, F11), 160(R11)
	FSTPQ   (F12, F13), 192(R11)
	FSTPQ   (F14, F15), 224(R11)
	FSTPQ.P (F0, F1), 256(R11)
	ADD     $256, R12
	SUBS    $64, R10
	BGT     columns

next:
	ADD  $(4*const_tileCols), R3
	SUBS $1, R1
	BNE  token

done:
	RET

// func decodeRowsQ4NEON(dst []float32, quants, scales []byte, stride int, rows []int32)
//
// A block at a time. R6 and R7 are a row's scales and quants, R8 the columns left.
TEXT ·decodeRowsQ4NEON(SB), NOSPLIT, $0-104
	MOVD dst_base+0(FP), R0
	MOVD quants_base+24(FP), R1
	MOVD scales_base+48(FP), R2
	MOVD stride+72(FP), R3
	MOVD rows_base+80(FP), R4
	MOVD rows_len+88(FP), R5
	CBZ  R5, done
	LOADTABLES(R6)

row:
	MOVW.P 4(R4), R6
	MADD   R3, R1, R6, R7
	MADD   R3, R2, R6, R6
	MOVD   $const_tileCols, R8

block:
	FMOVQ.P 16(R7), F10
	LDRH2(30, 6)
	FCVTL(30, 30)
	USHR4B(11, 10)
	ANDB(10, 10, 9)
	FLOATS(10, 16)
	FLOATS(11, 20)
	FMULE(16, 16, 30, 0)
	FMULE(17, 17, 30, 0)
	FMULE(18, 18, 30, 0)
	FMULE(19, 19, 30, 0)
	FMULE(20, 20, 30, 0)
	FMULE(21, 21, 30, 0)
	FMULE(22, 22, 30, 0)
	FMULE(23, 23, 30, 0)
	FSTPQ   (F18, F19), 32(R0)
	FSTPQ   (F20, F21), 64(R0)
	FSTPQ   (F22, F23), 96(R0)
	FSTPQ.P (F16, F17), 128(R0)
	SUBS    $32, R8
	BGT     block
	SUBS    $1, R5
	BNE     row

done:
	RET
