//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "avx2_amd64.h"

// The kernels of neurons_amd64.h in registers of 512 bits, to the bit.

// Constants that every lane has: the low nibble of a row's byte in the words of two rows that are side by side, the high one, and those of
// neurons_amd64.h.
DATA low<>+0(SB)/4, $0x000f000f
GLOBL low<>(SB), RODATA|NOPTR, $4
DATA high<>+0(SB)/4, $0x00f000f0
GLOBL high<>(SB), RODATA|NOPTR, $4
DATA magnitude<>+0(SB)/4, $0x7fffffff
GLOBL magnitude<>(SB), RODATA|NOPTR, $4
DATA most<>+0(SB)/4, $0x46fffe00
GLOBL most<>(SB), RODATA|NOPTR, $4
DATA least<>+0(SB)/4, $0x0da24260
GLOBL least<>(SB), RODATA|NOPTR, $4
DATA sixteenth<>+0(SB)/4, $0x3d800000
GLOBL sixteenth<>(SB), RODATA|NOPTR, $4
DATA word<>+0(SB)/4, $0x0000ffff
GLOBL word<>(SB), RODATA|NOPTR, $4

// spread: byte 4i + r of lane j is byte 4j + i, for every r.
DATA spread<>+0(SB)/8, $0x0101010100000000
DATA spread<>+8(SB)/8, $0x0303030302020202
DATA spread<>+16(SB)/8, $0x0505050504040404
DATA spread<>+24(SB)/8, $0x0707070706060606
DATA spread<>+32(SB)/8, $0x0909090908080808
DATA spread<>+40(SB)/8, $0x0b0b0b0b0a0a0a0a
DATA spread<>+48(SB)/8, $0x0d0d0d0d0c0c0c0c
DATA spread<>+56(SB)/8, $0x0f0f0f0f0e0e0e0e
GLOBL spread<>(SB), RODATA|NOPTR, $64

// What SIXTEEN leaves for sixteen blocks, each a register of longs: the words of the factors k of rows 0 and 2, of rows 1 and 3, −8·Σ k, −128·Σ k,
// s and s/16.
#define K02 0
#define K13 64
#define SUM8 128
#define SUM128 192
#define S 256
#define S16 320
#define PREPARED 384

// FACTORS leaves f times the scales of the row at r in z. K4 tells which there are.
#define FACTORS(r, f, z) \
	VCVTPH2PS.Z (r)(CX*1), K4, z; \
	VMULPS      f, z, z

// SIXTEEN prepares sixteen blocks, whose scales are CX bytes after R8-R11, at b. As EIGHT in neurons_amd64.h.
#define SIXTEEN(b) \
	FACTORS(R8, Z16, Z8);          \
	FACTORS(R9, Z17, Z9);          \
	FACTORS(R10, Z18, Z10);        \
	FACTORS(R11, Z19, Z11);        \
	VPANDD     Z28, Z8, Z12;       \
	VPANDD     Z28, Z9, Z13;       \
	VPANDD     Z28, Z10, Z14;      \
	VPANDD     Z28, Z11, Z15;      \
	VADDPS     Z13, Z12, Z0;       \
	VADDPS     Z15, Z14, Z1;       \
	VADDPS     Z1, Z0, Z0;         \
	VSUBPS     Z0, Z0, Z0;         \
	VMAXPS     Z13, Z12, Z12;      \
	VMAXPS     Z15, Z14, Z14;      \
	VMAXPS     Z14, Z12, Z12;      \
	VMAXPS     Z27, Z12, Z12;      \
	VDIVPS     Z12, Z26, Z13;      \
	VDIVPS     Z26, Z12, Z14;      \
	VADDPS     Z0, Z14, Z14;       \
	VMULPS     Z25, Z14, Z15;      \
	VMOVUPS    Z14, S(b);          \
	VMOVUPS    Z15, S16(b);        \
	VMULPS     Z13, Z8, Z8;        \
	VMULPS     Z13, Z9, Z9;        \
	VMULPS     Z13, Z10, Z10;      \
	VMULPS     Z13, Z11, Z11;      \
	VCVTPS2DQ  Z8, Z8;             \
	VCVTPS2DQ  Z9, Z9;             \
	VCVTPS2DQ  Z10, Z10;           \
	VCVTPS2DQ  Z11, Z11;           \
	VPADDD     Z9, Z8, Z12;        \
	VPADDD     Z11, Z10, Z13;      \
	VPADDD     Z13, Z12, Z12;      \
	VPSUBD     Z12, Z23, Z12;      \
	VPSLLD     $3, Z12, Z13;       \
	VPSLLD     $7, Z12, Z14;       \
	VMOVDQU64  Z13, SUM8(b);       \
	VMOVDQU64  Z14, SUM128(b);     \
	VPSLLD     $16, Z10, Z10;      \
	VPSLLD     $16, Z11, Z11;      \
	VPTERNLOGD $0xea, Z10, Z24, Z8; \
	VPTERNLOGD $0xea, Z11, Z24, Z9; \
	VMOVDQU64  Z8, K02(b);         \
	VMOVDQU64  Z9, K13(b)

// OUT adds the longs in d, times s, to y(DI).
#define OUT(d, s, y) \
	VCVTDQ2PS   d, d;            \
	VFMADD213PS (y)(DI), s, d;   \
	VMOVUPS     d, (y)(DI)

// BLOCK takes block k of eight, whose factors are at f(BX): a long of Z0 has a column's bytes of the four rows. Meanwhile it prefetches at ahead.
#define BLOCK(k, f, ahead) \
	VBROADCASTI32X4 (16*k)(R8), Z0;         \
	VBROADCASTI32X4 (16*k)(R9), Z1;         \
	VBROADCASTI32X4 (16*k)(R10), Z2;        \
	VBROADCASTI32X4 (16*k)(R11), Z3;        \
	VPSHUFB         Z29, Z0, Z0;            \
	VPSHUFB         Z29, Z1, K1, Z0;        \
	VPSHUFB         Z29, Z2, K2, Z0;        \
	VPSHUFB         Z29, Z3, K3, Z0;        \
	VPBROADCASTD    (SUM8+4*k+f)(BX), Z4;   \
	VPBROADCASTD    (SUM128+4*k+f)(BX), Z5; \
	VPBROADCASTD    (K02+4*k+f)(BX), Z6;    \
	VPBROADCASTD    (K13+4*k+f)(BX), Z7;    \
	PREFETCHT1      ahead;                  \
	VPSRLW          $8, Z0, Z1;             \
	VPANDD          Z31, Z0, Z2;            \
	VPANDD          Z31, Z1, Z3;            \
	VPANDD          Z30, Z0, Z0;            \
	VPANDD          Z30, Z1, Z1;            \
	VPDPWSSD        Z6, Z2, Z4;             \
	VPDPWSSD        Z6, Z0, Z5;             \
	VPDPWSSD        Z7, Z3, Z4;             \
	VPDPWSSD        Z7, Z1, Z5;             \
	VBROADCASTSS    (S+4*k+f)(BX), Z6;      \
	VBROADCASTSS    (S16+4*k+f)(BX), Z7;    \
	OUT(Z4, Z6, 128*k+0);                   \
	OUT(Z5, Z7, 128*k+64)

// FURTHER goes on by eight blocks.
#define FURTHER \
	ADDQ $128, R8;   \
	ADDQ $128, R9;   \
	ADDQ $128, R10;  \
	ADDQ $128, R11;  \
	ADDQ $1024, DI;  \
	SUBQ $128, CX

// LEFT leaves in K4 which of sixteen blocks there are after o columns: all of them or eight.
#define LEFT(o) \
	MOVQ  y_len+8(FP), AX; \
	SUBQ  $(512+o), AX;    \
	SARQ  $63, AX;         \
	ANDL  $0xff00, AX;     \
	XORL  $0xffff, AX;     \
	KMOVW AX, K4

// func axpyQ4x4AVX512(y []float32, f *[4]float32, quants *[4]*byte, scales int, ahead *[4]*byte)
//
// R8-R11 are the quants, whose scales are CX bytes further; R12, R13, DX and SI what is prefetched: 320 bytes for every sixteen blocks. BX has the
// factors of the present sixteen blocks, and R15 gets those of the next, which take long: the processor computes them beside the others.
TEXT ·axpyQ4x4AVX512(SB), 0, $832-56
	MOVQ         y_base+0(FP), DI
	MOVQ         quants+32(FP), BX
	MOVQ         0(BX), R8
	MOVQ         8(BX), R9
	MOVQ         16(BX), R10
	MOVQ         24(BX), R11
	MOVQ         ahead+48(FP), BX
	MOVQ         0(BX), R12
	MOVQ         8(BX), R13
	MOVQ         16(BX), DX
	MOVQ         24(BX), SI
	MOVQ         scales+40(FP), CX
	CMPQ         y_len+8(FP), $256
	JLT          done
	LEAQ         63(SP), BX
	ANDQ         $~63, BX
	LEAQ         PREPARED(BX), R15
	MOVQ         f+24(FP), AX
	VBROADCASTSS 0(AX), Z16
	VBROADCASTSS 4(AX), Z17
	VBROADCASTSS 8(AX), Z18
	VBROADCASTSS 12(AX), Z19
	VPXORQ       Z23, Z23, Z23
	VPBROADCASTD word<>(SB), Z24
	VBROADCASTSS sixteenth<>(SB), Z25
	VBROADCASTSS most<>(SB), Z26
	VBROADCASTSS least<>(SB), Z27
	VPBROADCASTD magnitude<>(SB), Z28
	VMOVDQU64    spread<>(SB), Z29
	VPBROADCASTD high<>(SB), Z30
	VPBROADCASTD low<>(SB), Z31
	MOVQ         $0x2222222222222222, AX
	KMOVQ        AX, K1
	SHLQ         $1, AX
	KMOVQ        AX, K2
	SHLQ         $1, AX
	KMOVQ        AX, K3
	LEFT(0)
	SIXTEEN(BX)

sixteen:
	CMPQ y_len+8(FP), $768
	JLT  last
	LEFT(512)
	ADDQ $32, CX
	SIXTEEN(R15)
	SUBQ $32, CX

last:
	PREFETCHT1 (R12)
	BLOCK(0, 0, 64(R12))
	BLOCK(1, 0, 128(R12))
	PREFETCHT1 (R13)
	BLOCK(2, 0, 64(R13))
	BLOCK(3, 0, 128(R13))
	PREFETCHT1 (DX)
	BLOCK(4, 0, 64(DX))
	BLOCK(5, 0, 128(DX))
	PREFETCHT1 (SI)
	BLOCK(6, 0, 64(SI))
	BLOCK(7, 0, 128(SI))
	FURTHER
	SUBQ $256, y_len+8(FP)
	CMPQ y_len+8(FP), $256
	JLT  done
	BLOCK(0, 32, 192(R12))
	BLOCK(1, 32, 256(R12))
	BLOCK(2, 32, 192(R13))
	BLOCK(3, 32, 256(R13))
	BLOCK(4, 32, 192(DX))
	BLOCK(5, 32, 256(DX))
	BLOCK(6, 32, 192(SI))
	BLOCK(7, 32, 256(SI))
	FURTHER
	ADDQ  $32, CX
	ADDQ  $320, R12
	ADDQ  $320, R13
	ADDQ  $320, DX
	ADDQ  $320, SI
	XCHGQ BX, R15
	SUBQ  $256, y_len+8(FP)
	CMPQ  y_len+8(FP), $256
	JGE   sixteen

done:
	VZEROUPPER
	RET

// four and later: the lanes of four blocks, of which each has four rows, among eight numbers.
DATA four<>+0(SB)/8, $0
DATA four<>+8(SB)/8, $0
DATA four<>+16(SB)/8, $0x0000000100000001
DATA four<>+24(SB)/8, $0x0000000100000001
DATA four<>+32(SB)/8, $0x0000000200000002
DATA four<>+40(SB)/8, $0x0000000200000002
DATA four<>+48(SB)/8, $0x0000000300000003
DATA four<>+56(SB)/8, $0x0000000300000003
GLOBL four<>(SB), RODATA|NOPTR, $64
DATA later<>+0(SB)/4, $4
GLOBL later<>(SB), RODATA|NOPTR, $4

// across: word 4b + r is word 8r + b: the scales of four rows of eight blocks, block by block.
DATA across<>+0(SB)/8, $0x0018001000080000
DATA across<>+8(SB)/8, $0x0019001100090001
DATA across<>+16(SB)/8, $0x001a0012000a0002
DATA across<>+24(SB)/8, $0x001b0013000b0003
DATA across<>+32(SB)/8, $0x001c0014000c0004
DATA across<>+40(SB)/8, $0x001d0015000d0005
DATA across<>+48(SB)/8, $0x001e0016000e0006
DATA across<>+56(SB)/8, $0x001f0017000f0007
GLOBL across<>(SB), RODATA|NOPTR, $64

// ROW leaves the products of the four blocks at w(row) with the activations in xlo (a block's first half) and xhi in the four
// longs of each lane of acc. Each fits a word.
#define ROW(row, w, xlo, xhi, acc, lo, hi) \
	VMOVDQU64 (w)(row), lo;      \
	VPSRLW    $4, lo, hi;        \
	VPANDQ    Z31, lo, lo;       \
	VPANDQ    Z31, hi, hi;       \
	VPXORQ    acc, acc, acc;     \
	VPDPBUSD  xlo, lo, acc;      \
	VPDPBUSD  xhi, hi, acc

// FOLD leaves sums of two times two longs of a and b in a. They fit a word, too.
#define FOLD(a, b) \
	VPACKSSDW b, a, a;    \
	VPMADDWD  Z28, a, a

// ROWS adds the sums of four blocks of four rows to sum: a lane is a block, its longs are the rows. Meanwhile it prefetches a line for each row.
#define ROWS(w, xlo, xhi, sum) \
	ROW(R8, w, xlo, xhi, Z0, Z4, Z5);    \
	PREFETCHT1 (w)(R12);                 \
	ROW(R9, w, xlo, xhi, Z1, Z6, Z7);    \
	FOLD(Z0, Z1);                        \
	PREFETCHT1 (w)(R13);                 \
	ROW(R10, w, xlo, xhi, Z2, Z8, Z9);   \
	PREFETCHT1 (w)(BX);                  \
	ROW(R11, w, xlo, xhi, Z3, Z10, Z11); \
	FOLD(Z2, Z3);                        \
	PREFETCHT1 (w)(R15);                 \
	VPACKSSDW  Z2, Z0, Z0;               \
	VPDPWSSD   Z28, Z0, sum

// ADD adds the sums in s to acc, times the weights' scales and those of the activations.
#define ADD(s, scales, d, acc) \
	VCVTDQ2PS   s, s;          \
	VMULPS      d, scales, d;  \
	VFMADD231PS d, s, acc

// func dotQ4Rows4AVX512(dots *[4]float32, quants *[4]*byte, scales int, ahead *[4]*byte, x *vector)
//
// R8-R11 are the rows' quants, whose scales are CX bytes further; R12, R13, BX and R15 what is prefetched: 128 bytes for every eight blocks.
TEXT ·dotQ4Rows4AVX512(SB), NOSPLIT, $0-40
	MOVL         $0x00f0, AX
	KMOVW        AX, K1
	SHLL         $4, AX
	KMOVW        AX, K2
	SHLL         $4, AX
	KMOVW        AX, K3
	MOVQ         quants+8(FP), BX
	MOVQ         0(BX), R8
	MOVQ         8(BX), R9
	MOVQ         16(BX), R10
	MOVQ         24(BX), R11
	MOVQ         scales+16(FP), CX
	MOVQ         x+32(FP), BX
	MOVQ         vector_q(BX), DI
	MOVQ         vector_d(BX), SI
	MOVQ         vector_sum(BX), DX
	MOVQ         (vector_d+8)(BX), AX
	MOVQ         ahead+24(FP), BX
	MOVQ         0(BX), R12
	MOVQ         8(BX), R13
	MOVQ         24(BX), R15
	MOVQ         16(BX), BX
	VPBROADCASTQ nibble<>(SB), Z31
	VMOVDQU64    four<>(SB), Z30
	VPBROADCASTD later<>(SB), Z29
	VPADDD       Z30, Z29, Z29
	VPBROADCASTQ ones<>(SB), Z28
	VMOVDQU64    across<>(SB), Z27
	VPXORQ       Z26, Z26, Z26
	VPXORQ       Z24, Z24, Z24
	VPXORQ       Z25, Z25, Z25
	SUBQ         $8, AX
	JLT          done

eight:
	VMOVDQU64       0(DI), Z0
	VMOVDQU64       64(DI), Z1
	VMOVDQU64       128(DI), Z2
	VMOVDQU64       192(DI), Z3
	VSHUFI32X4      $0x88, Z1, Z0, Z16
	VSHUFI32X4      $0xdd, Z1, Z0, Z17
	VSHUFI32X4      $0x88, Z3, Z2, Z18
	VSHUFI32X4      $0xdd, Z3, Z2, Z19
	VMOVDQU         (R8)(CX*1), X4
	VBROADCASTI32X4 (R9)(CX*1), K1, Z4
	VBROADCASTI32X4 (R10)(CX*1), K2, Z4
	VBROADCASTI32X4 (R11)(CX*1), K3, Z4
	VPERMW          Z4, Z27, Z4
	VCVTPH2PS       Y4, Z20
	VEXTRACTI64X4   $1, Z4, Y4
	VCVTPH2PS       Y4, Z21
	VPSUBD          (DX), Y26, Y12
	VPSLLD          $3, Y12, Y12
	VPERMD          Z12, Z30, Z22
	VPERMD          Z12, Z29, Z23
	VMOVUPS         (SI), Y13
	VPERMPS         Z13, Z30, Z14
	VPERMPS         Z13, Z29, Z15
	ROWS(0, Z16, Z17, Z22)
	ADD(Z22, Z20, Z14, Z24)
	ROWS(64, Z18, Z19, Z23)
	ADD(Z23, Z21, Z15, Z25)
	ADDQ            $128, R8
	ADDQ            $128, R9
	ADDQ            $128, R10
	ADDQ            $128, R11
	ADDQ            $128, R12
	ADDQ            $128, R13
	ADDQ            $128, BX
	ADDQ            $128, R15
	SUBQ            $112, CX
	ADDQ            $256, DI
	ADDQ            $32, SI
	ADDQ            $32, DX
	SUBQ            $8, AX
	JGE             eight

done:
	// The sums of dotQ4AVX2, in its order.
	VADDPS        Z25, Z24, Z24
	VEXTRACTF32X4 $1, Z24, X1
	VEXTRACTF32X4 $2, Z24, X2
	VEXTRACTF32X4 $3, Z24, X3
	VMOVAPS       Z24, Z0
	VADDPS        X1, X0, X0
	VADDPS        X3, X2, X2
	VADDPS        X2, X0, X0
	MOVQ          dots+0(FP), AX
	VMOVUPS       X0, (AX)
	VZEROUPPER
	RET
