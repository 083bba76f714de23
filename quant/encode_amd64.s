//go:build !noasm

#include "funcdata.h"
#include "textflag.h"

DATA magnitude<>+0(SB)/4, $0x7fffffff
GLOBL magnitude<>(SB), RODATA|NOPTR, $4
DATA minusEighth<>+0(SB)/4, $0xbe000000 // -0.125
GLOBL minusEighth<>(SB), RODATA|NOPTR, $4
DATA one<>+0(SB)/4, $0x3f800000
GLOBL one<>(SB), RODATA|NOPTR, $4
DATA eightHalf<>+0(SB)/4, $0x41080000 // 8.5
GLOBL eightHalf<>(SB), RODATA|NOPTR, $4
DATA fifteen<>+0(SB)/4, $15
GLOBL fifteen<>(SB), RODATA|NOPTR, $4
DATA seven<>+0(SB)/4, $0x40e00000
GLOBL seven<>(SB), RODATA|NOPTR, $4
DATA minusEight<>+0(SB)/4, $0xc1000000
GLOBL minusEight<>(SB), RODATA|NOPTR, $4

// order: where the four bytes of each long lie after packing.
DATA order<>+0(SB)/8, $0x0000000400000000
DATA order<>+8(SB)/8, $0x0000000500000001
DATA order<>+16(SB)/8, $0x0000000600000002
DATA order<>+24(SB)/8, $0x0000000700000003
GLOBL order<>(SB), RODATA|NOPTR, $32

// MAGNITUDES puts the magnitudes of the weights in Y0 to Y3 into Y4 to Y7, and the largest into every lane of Y8. As integers
// magnitudes are in order, with NaN above all. Y15 is magnitude, Y9 is scratch.
#define MAGNITUDES \
	VPAND      Y15, Y0, Y4;    \
	VPAND      Y15, Y1, Y5;    \
	VPAND      Y15, Y2, Y6;    \
	VPAND      Y15, Y3, Y7;    \
	VPMAXUD    Y4, Y5, Y8;     \
	VPMAXUD    Y6, Y7, Y9;     \
	VPMAXUD    Y8, Y9, Y8;     \
	VPERM2I128 $1, Y8, Y8, Y9; \
	VPMAXUD    Y8, Y9, Y8;     \
	VPSHUFD    $0x4e, Y8, Y9;  \
	VPMAXUD    Y8, Y9, Y8;     \
	VPSHUFD    $0xb1, Y8, Y9;  \
	VPMAXUD    Y8, Y9, Y8

// FIRST puts the number of the first weight that has the largest magnitude into R9.
#define FIRST \
	VPCMPEQD  Y4, Y8, Y4; \
	VPCMPEQD  Y5, Y8, Y5; \
	VPCMPEQD  Y6, Y8, Y6; \
	VPCMPEQD  Y7, Y8, Y7; \
	VMOVMSKPS Y4, R9;     \
	VMOVMSKPS Y5, R10;    \
	VMOVMSKPS Y6, R11;    \
	VMOVMSKPS Y7, R12;    \
	SHLL      $8, R10;    \
	SHLL      $16, R11;   \
	SHLL      $24, R12;   \
	ORL       R10, R9;    \
	ORL       R12, R11;   \
	ORL       R11, R9;    \
	BSFL      R9, R9

// func largestOfBlockAVX2(x *[32]float32) (top uint32, m float32)
TEXT ·largestOfBlockAVX2(SB), NOSPLIT, $0-16
	MOVQ         x+0(FP), SI
	VBROADCASTSS magnitude<>(SB), Y15
	VMOVUPS      0(SI), Y0
	VMOVUPS      32(SI), Y1
	VMOVUPS      64(SI), Y2
	VMOVUPS      96(SI), Y3
	MAGNITUDES
	VMOVD        X8, AX
	MOVL         AX, top+8(FP)
	MOVL         $0, m+12(FP)
	TESTL        AX, AX
	JZ           zero
	FIRST
	MOVL         (SI)(R9*4), AX
	MOVL         AX, m+12(FP)

zero:
	VZEROUPPER
	RET

// func encodeQ4AVX2(quants, scales []byte, src []float32, limit uint32) (blocks int)
//
// Ends before a block with a magnitude above limit, as bits.
TEXT ·encodeQ4AVX2(SB), NOSPLIT, $0-88
	MOVQ         quants_base+0(FP), DI
	MOVQ         scales_base+24(FP), DX
	MOVQ         src_base+48(FP), SI
	MOVQ         src_len+56(FP), CX
	MOVL         limit+72(FP), R8
	SHRQ         $5, CX
	XORQ         AX, AX
	VBROADCASTSS magnitude<>(SB), Y15
	VBROADCASTSS eightHalf<>(SB), Y14
	VPBROADCASTD fifteen<>(SB), Y13
	VMOVDQU      order<>(SB), Y12

block:
	CMPQ    AX, CX
	JGE     done
	VMOVUPS 0(SI), Y0
	VMOVUPS 32(SI), Y1
	VMOVUPS 64(SI), Y2
	VMOVUPS 96(SI), Y3

	MAGNITUDES
	VMOVD X8, R9
	CMPL  R9, R8
	JHI   done

	// The first weight of that magnitude, in X9; +0 if all are zero.
	VXORPS    X9, X9, X9
	TESTL     R9, R9
	JZ        scale
	FIRST
	VMOVSS    (SI)(R9*4), X9

scale:
	// d = m/−8, and 1/d, or 0 if that is infinite.
	VMULSS    minusEighth<>(SB), X9, X9
	VCVTPS2PH $0, X9, X10
	VPEXTRW   $0, X10, R9
	MOVW      R9, (DX)
	VMOVSS    one<>(SB), X10
	VDIVSS    X9, X10, X10
	VMOVD     X10, R9
	ANDL      $0x7fffffff, R9
	CMPL      R9, $0x7f800000
	JB        round
	VXORPS    X10, X10, X10

round:
	VBROADCASTSS X10, Y10
	VMULPS       Y10, Y0, Y0
	VMULPS       Y10, Y1, Y1
	VMULPS       Y10, Y2, Y2
	VMULPS       Y10, Y3, Y3
	VADDPS       Y14, Y0, Y0
	VADDPS       Y14, Y1, Y1
	VADDPS       Y14, Y2, Y2
	VADDPS       Y14, Y3, Y3
	VCVTTPS2DQ   Y0, Y0
	VCVTTPS2DQ   Y1, Y1
	VCVTTPS2DQ   Y2, Y2
	VCVTTPS2DQ   Y3, Y3
	VPMINSD      Y13, Y0, Y0
	VPMINSD      Y13, Y1, Y1
	VPMINSD      Y13, Y2, Y2
	VPMINSD      Y13, Y3, Y3
	VPACKUSDW    Y1, Y0, Y0
	VPACKUSDW    Y3, Y2, Y2
	VPACKUSWB    Y2, Y0, Y0
	VPERMD       Y0, Y12, Y0
	VEXTRACTI128 $1, Y0, X1
	VPSLLW       $4, X1, X1
	VPOR         X1, X0, X0
	VMOVDQU      X0, (DI)

	ADDQ $128, SI
	ADDQ $16, DI
	ADDQ $2, DX
	INCQ AX
	JMP  block

done:
	MOVQ AX, blocks+80(FP)
	VZEROUPPER
	RET

// LEVEL makes levels of v: rounded to the nearest, ties to even, from −8 to 7. Y13 is −8, Y14 is 7.
#define LEVEL(v) \
	VMAXPS   Y13, v, v; \
	VMINPS   Y14, v, v; \
	VROUNDPS $8, v, v

// EXPLAIN adds to xl and ll what eight weights x, times their importance vx, and that, at v, explain with the scale id.
#define EXPLAIN(id, x, vx, v, xl, ll) \
	VMULPS id, x, Y9;     \
	LEVEL(Y9);            \
	VMULPS Y9, vx, Y10;   \
	VADDPS Y10, xl, xl;   \
	VMULPS v, Y9, Y10;    \
	VMULPS Y10, Y9, Y10;  \
	VADDPS Y10, ll, ll

// func explainAVX2(xl, ll, id *[20]float32, x, v *[32]float32)
//
// Two candidates at a time, whose four sums are added up together.
TEXT ·explainAVX2(SB), NOSPLIT, $0-40
	MOVQ         xl+0(FP), DI
	MOVQ         ll+8(FP), DX
	MOVQ         id+16(FP), SI
	MOVQ         x+24(FP), R8
	MOVQ         v+32(FP), R10
	VBROADCASTSS minusEight<>(SB), Y13
	VBROADCASTSS seven<>(SB), Y14
	VMOVUPS      0(R8), Y0
	VMOVUPS      32(R8), Y1
	VMOVUPS      64(R8), Y2
	VMOVUPS      96(R8), Y3
	VMULPS       0(R10), Y0, Y4
	VMULPS       32(R10), Y1, Y5
	VMULPS       64(R10), Y2, Y6
	VMULPS       96(R10), Y3, Y7
	XORQ         AX, AX

candidates:
	VBROADCASTSS 0(SI)(AX*4), Y8
	VXORPS       Y11, Y11, Y11
	VXORPS       Y12, Y12, Y12
	EXPLAIN(Y8, Y0, Y4, 0(R10), Y11, Y12)
	EXPLAIN(Y8, Y1, Y5, 32(R10), Y11, Y12)
	EXPLAIN(Y8, Y2, Y6, 64(R10), Y11, Y12)
	EXPLAIN(Y8, Y3, Y7, 96(R10), Y11, Y12)
	VHADDPS      Y12, Y11, Y15
	VBROADCASTSS 4(SI)(AX*4), Y8
	VXORPS       Y11, Y11, Y11
	VXORPS       Y12, Y12, Y12
	EXPLAIN(Y8, Y0, Y4, 0(R10), Y11, Y12)
	EXPLAIN(Y8, Y1, Y5, 32(R10), Y11, Y12)
	EXPLAIN(Y8, Y2, Y6, 64(R10), Y11, Y12)
	EXPLAIN(Y8, Y3, Y7, 96(R10), Y11, Y12)
	VHADDPS      Y12, Y11, Y11
	VHADDPS      Y11, Y15, Y15
	VEXTRACTF128 $1, Y15, X11
	VADDPS       X11, X15, X15

	// xl, ll, xl, ll
	VMOVSS     X15, 0(DI)(AX*4)
	VEXTRACTPS $1, X15, 0(DX)(AX*4)
	VEXTRACTPS $2, X15, 4(DI)(AX*4)
	VEXTRACTPS $3, X15, 4(DX)(AX*4)
	ADDQ       $2, AX
	CMPQ       AX, $20
	JLT        candidates
	VZEROUPPER
	RET

// func packQ4AVX2(q *[16]byte, x *[32]float32, d float32) (half uint16)
//
// Rounds d to a float16, and packs the levels for that.
TEXT ·packQ4AVX2(SB), NOSPLIT, $0-26
	MOVQ         q+0(FP), DI
	MOVQ         x+8(FP), SI
	VMOVSS       d+16(FP), X8
	VBROADCASTSS minusEight<>(SB), Y13
	VBROADCASTSS seven<>(SB), Y14
	VCVTPS2PH    $0, X8, X8
	VPEXTRW      $0, X8, AX
	MOVW         AX, half+24(FP)
	VCVTPH2PS    X8, X8
	VMOVSS       one<>(SB), X9
	VDIVSS       X8, X9, X9
	VMOVD        X9, AX
	ANDL         $0x7fffffff, AX
	CMPL         AX, $0x7f800000
	JB           pack
	VXORPS       X9, X9, X9

pack:
	VBROADCASTSS X9, Y9
	VMULPS       0(SI), Y9, Y0
	VMULPS       32(SI), Y9, Y1
	VMULPS       64(SI), Y9, Y2
	VMULPS       96(SI), Y9, Y3
	LEVEL(Y0)
	LEVEL(Y1)
	LEVEL(Y2)
	LEVEL(Y3)
	VSUBPS       Y13, Y0, Y0
	VSUBPS       Y13, Y1, Y1
	VSUBPS       Y13, Y2, Y2
	VSUBPS       Y13, Y3, Y3
	VCVTTPS2DQ   Y0, Y0
	VCVTTPS2DQ   Y1, Y1
	VCVTTPS2DQ   Y2, Y2
	VCVTTPS2DQ   Y3, Y3
	VPACKUSDW    Y1, Y0, Y0
	VPACKUSDW    Y3, Y2, Y2
	VPACKUSWB    Y2, Y0, Y0
	VMOVDQU      order<>(SB), Y1
	VPERMD       Y0, Y1, Y0
	VEXTRACTI128 $1, Y0, X1
	VPSLLW       $4, X1, X1
	VPOR         X1, X0, X0
	VMOVDQU      X0, (DI)
	VZEROUPPER
	RET

// func compensateAVX2(loss *lanes, w *[32]lanes, inner *[1024]float32, inv *[32]float32, d, id *lanes, errors, levels *[32]lanes)
//
// The changed weights of the columns are on the stack: column i at 32·i(R15).
TEXT ·compensateAVX2(SB), 0, $1024-64
	NO_LOCAL_POINTERS
	MOVQ         w+8(FP), SI
	MOVQ         inner+16(FP), R8
	MOVQ         inv+24(FP), R9
	MOVQ         d+32(FP), R10
	MOVQ         id+40(FP), R11
	MOVQ         errors+48(FP), R12
	MOVQ         levels+56(FP), R13
	MOVQ         SP, DI
	VBROADCASTSS minusEight<>(SB), Y13
	VBROADCASTSS seven<>(SB), Y14
	VMOVUPS      (R10), Y8
	VMOVUPS      (R11), Y9
	VXORPS       Y12, Y12, Y12
	XORQ         AX, AX

copy:
	VMOVUPS (SI)(AX*1), Y0
	VMOVUPS Y0, (DI)(AX*1)
	ADDQ    $32, AX
	CMPQ    AX, $1024
	JLT     copy
	XORQ    AX, AX

column:
	// AX counts columns, DI is at the column's weights, R8 at U's row.
	VMOVUPS      (DI), Y0
	VMULPS       Y9, Y0, Y1
	LEVEL(Y1)
	VMOVUPS      Y1, (R13)
	VMULPS       Y8, Y1, Y1
	VSUBPS       Y1, Y0, Y0
	VBROADCASTSS (R9)(AX*4), Y1
	VMULPS       Y1, Y0, Y0
	VMOVUPS      Y0, (R12)
	VMULPS       Y0, Y0, Y1
	VADDPS       Y1, Y12, Y12
	LEAQ         1(AX), BX
	LEAQ         32(DI), R14

later:
	CMPQ         BX, $32
	JGE          next
	VBROADCASTSS (R8)(BX*4), Y1
	VMULPS       Y1, Y0, Y1
	VMOVUPS      (R14), Y2
	VSUBPS       Y1, Y2, Y2
	VMOVUPS      Y2, (R14)
	ADDQ         $32, R14
	INCQ         BX
	JMP          later

next:
	ADDQ $32, DI
	ADDQ $32, R12
	ADDQ $32, R13
	ADDQ $128, R8
	INCQ AX
	CMPQ AX, $32
	JLT  column
	MOVQ    loss+0(FP), DI
	VMOVUPS Y12, (DI)
	VZEROUPPER
	RET

// func tryAVX2(loss, d, id *[2]lanes, w *[32]lanes, inner *[1024]float32, inv *[32]float32)
//
// compensateAVX2 for two scales at once, which gives the loss only. The changed weights are on the stack, those of the first scale
// at 64·i(DI), those of the second 32 bytes after.
TEXT ·tryAVX2(SB), 0, $2048-48
	NO_LOCAL_POINTERS
	MOVQ         d+8(FP), R10
	MOVQ         id+16(FP), R11
	MOVQ         w+24(FP), SI
	MOVQ         inner+32(FP), R8
	MOVQ         inv+40(FP), R9
	MOVQ         SP, DI
	VBROADCASTSS minusEight<>(SB), Y13
	VBROADCASTSS seven<>(SB), Y14
	VMOVUPS      0(R10), Y8
	VMOVUPS      32(R10), Y10
	VMOVUPS      0(R11), Y9
	VMOVUPS      32(R11), Y11
	VXORPS       Y12, Y12, Y12
	VXORPS       Y15, Y15, Y15
	XORQ         AX, AX

fill:
	VMOVUPS (SI)(AX*1), Y0
	VMOVUPS Y0, 0(DI)(AX*2)
	VMOVUPS Y0, 32(DI)(AX*2)
	ADDQ    $32, AX
	CMPQ    AX, $1024
	JLT     fill
	XORQ    AX, AX

pair:
	VBROADCASTSS (R9)(AX*4), Y4
	VMOVUPS      0(DI), Y0
	VMOVUPS      32(DI), Y1
	VMULPS       Y9, Y0, Y2
	VMULPS       Y11, Y1, Y3
	LEVEL(Y2)
	LEVEL(Y3)
	VMULPS       Y8, Y2, Y2
	VMULPS       Y10, Y3, Y3
	VSUBPS       Y2, Y0, Y0
	VSUBPS       Y3, Y1, Y1
	VMULPS       Y4, Y0, Y0
	VMULPS       Y4, Y1, Y1
	VMULPS       Y0, Y0, Y2
	VMULPS       Y1, Y1, Y3
	VADDPS       Y2, Y12, Y12
	VADDPS       Y3, Y15, Y15
	LEAQ         1(AX), BX
	LEAQ         64(DI), R14

rest:
	CMPQ         BX, $32
	JGE          advance
	VBROADCASTSS (R8)(BX*4), Y4
	VMULPS       Y4, Y0, Y5
	VMULPS       Y4, Y1, Y6
	VMOVUPS      0(R14), Y2
	VMOVUPS      32(R14), Y3
	VSUBPS       Y5, Y2, Y2
	VSUBPS       Y6, Y3, Y3
	VMOVUPS      Y2, 0(R14)
	VMOVUPS      Y3, 32(R14)
	ADDQ         $64, R14
	INCQ         BX
	JMP          rest

advance:
	ADDQ $64, DI
	ADDQ $128, R8
	INCQ AX
	CMPQ AX, $32
	JLT  pair
	MOVQ    loss+0(FP), DI
	VMOVUPS Y12, 0(DI)
	VMOVUPS Y15, 32(DI)
	VZEROUPPER
	RET

// func subtractAVX2(w []lanes, errors *[32]lanes, u *float32, stride int)
//
// Four columns at a time; stride is in floats.
TEXT ·subtractAVX2(SB), NOSPLIT, $0-48
	MOVQ w_base+0(FP), DI
	MOVQ w_len+8(FP), CX
	MOVQ errors+24(FP), R8
	MOVQ u+32(FP), SI
	MOVQ stride+40(FP), R9
	SHLQ $2, R9
	LEAQ (R9)(R9*2), R10
	SHRQ $2, CX
	JZ   end

four:
	VMOVUPS 0(DI), Y0
	VMOVUPS 32(DI), Y1
	VMOVUPS 64(DI), Y2
	VMOVUPS 96(DI), Y3
	XORQ    AX, AX
	MOVQ    R8, R11
	MOVQ    SI, R12

error:
	VMOVUPS      (R11), Y8
	VBROADCASTSS (R12), Y4
	VBROADCASTSS (R12)(R9*1), Y5
	VBROADCASTSS (R12)(R9*2), Y6
	VBROADCASTSS (R12)(R10*1), Y7
	VMULPS       Y8, Y4, Y4
	VMULPS       Y8, Y5, Y5
	VMULPS       Y8, Y6, Y6
	VMULPS       Y8, Y7, Y7
	VSUBPS       Y4, Y0, Y0
	VSUBPS       Y5, Y1, Y1
	VSUBPS       Y6, Y2, Y2
	VSUBPS       Y7, Y3, Y3
	ADDQ         $32, R11
	ADDQ         $4, R12
	INCQ         AX
	CMPQ         AX, $32
	JLT          error
	VMOVUPS      Y0, 0(DI)
	VMOVUPS      Y1, 32(DI)
	VMOVUPS      Y2, 64(DI)
	VMOVUPS      Y3, 96(DI)
	ADDQ         $128, DI
	LEAQ         (SI)(R9*4), SI
	DECQ         CX
	JNZ          four

end:
	VZEROUPPER
	RET

// func largestAVX2(x []float32) uint32
//
// The bits of the largest magnitude; the length is a multiple of 32.
TEXT ·largestAVX2(SB), NOSPLIT, $0-28
	MOVQ         x_base+0(FP), SI
	MOVQ         x_len+8(FP), CX
	VBROADCASTSS magnitude<>(SB), Y15
	VXORPS       Y0, Y0, Y0
	VXORPS       Y1, Y1, Y1
	SHRQ         $5, CX
	JZ           sum

more:
	VPAND   0(SI), Y15, Y2
	VPAND   32(SI), Y15, Y3
	VPAND   64(SI), Y15, Y4
	VPAND   96(SI), Y15, Y5
	VPMAXUD Y2, Y0, Y0
	VPMAXUD Y3, Y1, Y1
	VPMAXUD Y4, Y0, Y0
	VPMAXUD Y5, Y1, Y1
	ADDQ    $128, SI
	DECQ    CX
	JNZ     more

sum:
	VPMAXUD    Y1, Y0, Y0
	VPERM2I128 $1, Y0, Y0, Y1
	VPMAXUD    Y1, Y0, Y0
	VPSHUFD    $0x4e, Y0, Y1
	VPMAXUD    Y1, Y0, Y0
	VPSHUFD    $0xb1, Y0, Y1
	VPMAXUD    Y1, Y0, Y0
	VMOVD      X0, AX
	MOVL       AX, ret+24(FP)
	VZEROUPPER
	RET

// func decodeBF16AVX2(dst []float32, src []byte)
//
// The number of weights is a multiple of 32.
TEXT ·decodeBF16AVX2(SB), NOSPLIT, $0-48
	MOVQ dst_base+0(FP), DI
	MOVQ dst_len+8(FP), CX
	MOVQ src_base+24(FP), SI
	SHRQ $5, CX
	JZ   finish

widen:
	VPMOVZXWD 0(SI), Y0
	VPMOVZXWD 16(SI), Y1
	VPMOVZXWD 32(SI), Y2
	VPMOVZXWD 48(SI), Y3
	VPSLLD    $16, Y0, Y0
	VPSLLD    $16, Y1, Y1
	VPSLLD    $16, Y2, Y2
	VPSLLD    $16, Y3, Y3
	VMOVDQU   Y0, 0(DI)
	VMOVDQU   Y1, 32(DI)
	VMOVDQU   Y2, 64(DI)
	VMOVDQU   Y3, 96(DI)
	ADDQ      $64, SI
	ADDQ      $128, DI
	DECQ      CX
	JNZ       widen

finish:
	VZEROUPPER
	RET
