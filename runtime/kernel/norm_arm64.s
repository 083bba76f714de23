//go:build !noasm

#include "textflag.h"
#include "neon_arm64.h"

// func sumSquaresNEON(x []float32) float64
TEXT ·sumSquaresNEON(SB), NOSPLIT, $0-32
	MOVD x_base+0(FP), R0
	MOVD x_len+8(FP), R1
	ZERO(0)
	ZERO(1)
	ZERO(2)
	ZERO(3)
	SUBS $8, R1
	BLT  rest

eight:
	FLDPQ.P 32(R0), (F16, F17)
	FCVTLD(18, 16)
	FCVTL2D(19, 16)
	FCVTLD(20, 17)
	FCVTL2D(21, 17)
	FMLAD(0, 18, 18)
	FMLAD(1, 19, 19)
	FMLAD(2, 20, 20)
	FMLAD(3, 21, 21)
	SUBS    $8, R1
	BGE     eight

rest:
	ADDS $8, R1
	BEQ  sum

	// The other lane is zero.
one:
	FMOVS.P 4(R0), F16
	FCVTLD(18, 16)
	FMLAD(0, 18, 18)
	SUBS    $1, R1
	BNE     one

sum:
	FADDD(0, 0, 1)
	FADDD(2, 2, 3)
	FADDD(0, 0, 2)
	FADDPD(0, 0, 0)
	FMOVD F0, ret+24(FP)
	RET

// func scaleMulNEON(dst, x, weight []float32, scale float32)
TEXT ·scaleMulNEON(SB), NOSPLIT, $0-76
	MOVD  dst_base+0(FP), R0
	MOVD  dst_len+8(FP), R1
	MOVD  x_base+24(FP), R2
	MOVD  weight_base+48(FP), R3
	FMOVS scale+72(FP), F31
	SUBS  $8, R1
	BLT   rest

eight:
	FLDPQ.P 32(R2), (F0, F1)
	FLDPQ.P 32(R3), (F2, F3)
	FMULE(0, 0, 31, 0)
	FMULE(1, 1, 31, 0)
	FMUL(0, 0, 2)
	FMUL(1, 1, 3)
	FSTPQ.P (F0, F1), 32(R0)
	SUBS    $8, R1
	BGE     eight

rest:
	ADDS $8, R1
	BEQ  done

one:
	FMOVS.P 4(R2), F0
	FMOVS.P 4(R3), F2
	FMULS   F31, F0, F0
	FMULS   F2, F0, F0
	FMOVS.P F0, 4(R0)
	SUBS    $1, R1
	BNE     one

done:
	RET

// func encodeF16NEON(dst []byte, src []float32)
TEXT ·encodeF16NEON(SB), NOSPLIT, $0-48
	MOVD dst_base+0(FP), R0
	MOVD src_base+24(FP), R2
	MOVD src_len+32(FP), R1
	SUBS $8, R1
	BLT  rest

eight:
	FLDPQ.P 32(R2), (F0, F1)
	FCVTN(2, 0)
	FCVTN2(2, 1)
	FMOVQ.P F2, 16(R0)
	SUBS    $8, R1
	BGE     eight

rest:
	ADDS $8, R1
	BEQ  done

one:
	FMOVS.P 4(R2), F0
	FCVTN(2, 0)
	STRH2(2, 0)
	SUBS    $1, R1
	BNE     one

done:
	RET

// func Pause()
//
// An instruction barrier: YIELD does nothing on most CPUs.
TEXT ·Pause(SB), NOSPLIT, $0-0
	ISB $15
	RET
